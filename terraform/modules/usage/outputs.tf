# SPDX-License-Identifier: Apache-2.0

output "dead_letter_subscription" {
  description = "Short name of the subscription that keeps what could not be written to the table."
  value       = google_pubsub_subscription.dead_letters.name
}

output "table" {
  description = "The table as a query writes it, as living-twin-staging.twinguard_staging_usage.messages."
  value       = "${var.project_id}.${google_bigquery_dataset.usage.dataset_id}.${google_bigquery_table.messages.table_id}"
}

output "topic" {
  description = "Full name of the topic, for TWINGUARD_LLM_USAGE, once its publishers may publish."
  value       = "projects/${var.project_id}/topics/${google_pubsub_topic.usage.name}"

  depends_on = [google_pubsub_topic_iam_member.publisher]
}
