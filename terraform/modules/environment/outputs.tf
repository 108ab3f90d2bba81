# SPDX-License-Identifier: Apache-2.0

output "budget_topic" {
  description = "Short name of the topic that Google publishes the budget's messages to."
  value       = module.budgets.topic
}

output "dead_letter_subscriptions" {
  description = "Where messages end that a function never took, by function."
  value       = module.functions.dead_letter_subscriptions
}

output "functions" {
  description = "Names of the functions, by entry point."
  value       = module.functions.services
}

output "secret_ids" {
  description = "Secrets of the channels; their values are added by a command, see terraform/README.md."
  value       = module.keys.secret_ids
}

output "topics" {
  description = "Short names of the topics alerts and schedule."
  value       = module.functions.topics
}
