# SPDX-License-Identifier: Apache-2.0

locals {
  # Google's roles/firebaseauth.viewer cannot create a user to test with, and the next bigger one,
  # roles/firebaseauth.admin, deletes users and reads password hashes. This lies between the two.
  # Left out besides: update and sendEmail, either of which takes over any account.
  _permissions = {
    limited = [
      "firebaseauth.users.create",
      "firebaseauth.users.createSession",
      "firebaseauth.users.get",
    ]
  }
  roles = {
    for name, permissions in local._permissions : name => permissions if name == var.firebase.auth
  }
}

# After the role, and yet known before it is there.
locals {
  role_names = {
    for name, role in google_project_iam_custom_role.role :
    name => "projects/${var.project_id}/roles/${role.role_id}"
  }
}

resource "google_project_iam_custom_role" "role" {
  for_each = local.roles

  project     = var.project_id
  role_id     = "${replace("${var.prefix}-${var.environment}", "-", "_")}_firebase_auth"
  title       = "${var.prefix}-${var.environment} firebase auth"
  description = "Creates and looks up users to test with; see terraform/modules/firebase."
  permissions = each.value
}

# Firebase Authentication has no IAM below the project.
resource "google_project_iam_member" "application" {
  #checkov:skip=CKV_GCP_42:Only where the policy asks for it with firebase.auth full.
  project = var.project_id
  member  = "serviceAccount:${var.application_account}"

  role = (
    var.firebase.auth == "full"
    ? "roles/firebaseauth.admin"
    : local.role_names[var.firebase.auth]
  )
}
