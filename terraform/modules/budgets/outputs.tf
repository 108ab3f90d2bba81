# SPDX-License-Identifier: Apache-2.0

output "topic" {
  description = "Short name of the topic that Google publishes the budget's messages to."
  value       = google_pubsub_topic.budget_alerts.name
}
