# SPDX-License-Identifier: Apache-2.0

output "service_budgets" {
  description = "Display names of the budgets of single services, by their key; they publish nothing."
  value       = { for key, budget in google_billing_budget.service : key => budget.display_name }
}

output "topic" {
  description = "Short name of the topic that Google publishes the budget's messages to."
  value       = google_pubsub_topic.budget_alerts.name
}
