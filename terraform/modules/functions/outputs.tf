# SPDX-License-Identifier: Apache-2.0

output "accounts" {
  description = "E-mails of the service accounts, by function, and those named push and build."
  value       = local.accounts

  depends_on = [google_service_account.account]
}

output "audiences" {
  description = "Audience of each function's push tokens."
  value       = local.audiences
}

output "dead_letter_subscriptions" {
  description = "Short names of the subscriptions that keep what a function never took, by function."
  value       = { for name, subscription in google_pubsub_subscription.dead_letters : name => subscription.name }
}

output "pubsub_agent" {
  description = "Pub/Sub's own service account as a member, once it is there."
  value       = local.pubsub

  depends_on = [google_project_service_identity.pubsub]
}

output "services" {
  description = "Names of the Cloud Run services behind the functions, by function."
  value       = { for name, function in google_cloudfunctions2_function.function : name => function.name }
}

output "source_bucket" {
  description = "Name of the bucket that holds the zip of the functions."
  value       = google_storage_bucket.source.name
}

output "topics" {
  description = "Short names of the topics alerts, schedule and usage-events."
  value       = { for name, topic in google_pubsub_topic.topic : name => topic.name }
}
