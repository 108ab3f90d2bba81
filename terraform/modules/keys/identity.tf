# SPDX-License-Identifier: Apache-2.0

resource "google_service_account" "application" {
  project      = var.project_id
  account_id   = var.service_account
  display_name = "Living Twin, ${var.environment}"
  description  = "The application of ${var.environment}; reads the secrets that name it as a reader."

  # An adopted project often has it already.
  create_ignore_already_exists = true
}
