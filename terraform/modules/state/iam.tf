# SPDX-License-Identifier: Apache-2.0
# Neither a database nor an instance has IAM of its own; a condition on the project's stands for it.

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

# To connect and nothing else: no look at the instance, no change of it.
resource "google_project_iam_member" "counter_user" {
  for_each = var.counters == null ? {} : var.counter_users

  project = var.project_id
  role    = "roles/memorystore.dbConnectionUser"
  member  = "serviceAccount:${each.value}"

  condition {
    title      = "only ${local.counters_id}"
    expression = "resource.name == \"${local.counters_name}\""
  }
}
