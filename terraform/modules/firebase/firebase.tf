# SPDX-License-Identifier: Apache-2.0
# Neither of the two can be undone: destroying them forgets them and changes nothing at Google.

locals {
  auth_domain = "${var.project_id}.firebaseapp.com"

  # Written out, because Google's own list for a new project has localhost on it. Sorted, because
  # the order is compared, and the policy's order means nothing.
  authorized_domains = sort(distinct(concat([local.auth_domain], var.firebase.authorized_domains)))
}

# Adopted by itself where the project has Firebase already.
resource "google_firebase_project" "firebase" {
  provider = google-beta

  project = var.project_id
}

# Must be imported where Identity Platform is on already; README has the command.
resource "google_identity_platform_config" "auth" {
  project            = google_firebase_project.firebase.project
  authorized_domains = local.authorized_domains

  # What an adopted project has set is left alone. Google also answers with an empty multi_tenant
  # that nobody set, which would be a change in every plan.
  lifecycle {
    ignore_changes = [
      autodelete_anonymous_users,
      blocking_functions,
      multi_tenant,
      quota,
      sms_region_config,
    ]
  }
}
