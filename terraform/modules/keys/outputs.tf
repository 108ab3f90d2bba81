# SPDX-License-Identifier: Apache-2.0

output "secret_ids" {
  description = "Id of each secret, by its name without the environment, once its readers may read it."
  value       = { for name, secret in google_secret_manager_secret.secret : name => secret.secret_id }

  depends_on = [google_secret_manager_secret_iam_member.reader]
}

output "secret_topic_id" {
  description = "Full name of the topic that announces rotations and changes of secrets."
  value       = google_pubsub_topic.secret_events.id

  depends_on = [google_pubsub_topic_iam_member.secret_manager]
}

output "service_account_email" {
  description = "Address of the application's service account, once it has its roles; null where none is made."
  value       = local.application_email

  depends_on = [google_project_iam_member.application]
}
