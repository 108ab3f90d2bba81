# SPDX-License-Identifier: Apache-2.0
# Firestore has no IAM of its own for one database; a condition on the project's stands for it.

resource "google_project_iam_member" "user" {
  for_each = var.users

  project = var.project_id
  role    = "roles/datastore.user"
  member  = "serviceAccount:${each.value}"

  condition {
    title      = "only ${var.name}"
    expression = "resource.name == \"projects/${var.project_id}/databases/${var.name}\""
  }
}
