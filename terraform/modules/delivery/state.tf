# SPDX-License-Identifier: Apache-2.0
# What lies outside the project: the state's bucket and the billing account.

locals {
  _prefix  = "${var.environment}/"
  _bucket  = var.state_bucket == null ? "" : var.state_bucket
  _objects = "projects/_/buckets/${local._bucket}/objects/${local._prefix}"
  _listed  = "api.getAttribute('storage.googleapis.com/objectListPrefix', '')"

  _state_roles = { apply = "roles/storage.objectUser", plan = "roles/storage.objectViewer" }
  state_roles  = var.state_bucket == null ? {} : local._state_roles

  _billing_roles = { apply = "roles/billing.costsManager", plan = "roles/billing.viewer" }
  billing_roles  = var.billing_account == null ? {} : local._billing_roles
}

# This environment's state, not another's. A listing is asked of the bucket, not of an object, so
# only its prefix tells whose it is.
resource "google_storage_bucket_iam_member" "state" {
  for_each = local.state_roles

  bucket = var.state_bucket
  role   = each.value
  member = local.members[each.key]

  condition {
    title       = "only ${var.environment}"
    description = "The state of ${var.environment}."
    expression = join(" || ", [
      "resource.name.startsWith('${local._objects}')",
      "${local._listed}.startsWith('${local._prefix}')",
    ])
  }
}

# A plan reads back the two grants above, and no role for a bucket reads its policy only.
resource "google_project_iam_member" "state_policy" {
  for_each = toset(var.state_project == null ? [] : keys(local._state_roles))

  project = var.state_project
  role    = "roles/iam.securityReviewer"
  member  = local.members[each.value]
}

resource "google_billing_account_iam_member" "billing" {
  for_each = local.billing_roles

  billing_account_id = var.billing_account
  role               = each.value
  member             = local.members[each.key]
}
