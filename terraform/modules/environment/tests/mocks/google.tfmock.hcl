# SPDX-License-Identifier: Apache-2.0
# What Google would answer, where a made-up answer would be refused.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}
