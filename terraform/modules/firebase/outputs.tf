# SPDX-License-Identifier: Apache-2.0

output "auth_domain" {
  description = "What FIREBASE_AUTH_DOMAIN is set to, once users may sign in there."
  value       = local.auth_domain

  depends_on = [google_identity_platform_config.auth]
}

output "project" {
  description = "What FIREBASE_PROJECT_ID is set to, once the application may use it."
  value       = google_firebase_project.firebase.project

  depends_on = [google_identity_platform_config.auth, google_project_iam_member.application]
}
