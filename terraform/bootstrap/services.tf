# SPDX-License-Identifier: Apache-2.0

resource "google_project_service" "seed" {
  for_each = var.services

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}
