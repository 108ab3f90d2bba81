# SPDX-License-Identifier: Apache-2.0

output "budget_topic" {
  description = "Short name of the topic that Google publishes the budget's messages to."
  value       = module.budgets.topic
}

output "counters" {
  description = "Address of the counters' store and of its private network, for the application; null where there is none."
  value = var.policy.counters == null ? null : {
    address      = module.state.counters_address
    certificates = module.state.counters_certificates
    store        = module.state.counters
  }
}

output "dead_letter_subscriptions" {
  description = "Where messages end that a function never took, by function."
  value       = module.functions.dead_letter_subscriptions
}

output "delivery" {
  description = "Identity provider and accounts for GitHub Actions; null where nothing delivers."
  value       = one([for delivery in values(module.delivery) : { provider = delivery.provider, accounts = delivery.accounts }])
}

output "functions" {
  description = "Names of the functions, by entry point."
  value       = module.functions.services
}

output "gateway" {
  description = "Address and account of the gateway; null where none is deployed from here."
  value       = one([for gateway in values(module.gateway) : { account = gateway.account, uri = gateway.uri }])
}

output "llm_usage" {
  description = "Topic that the gateway's usage lines go to (TWINGUARD_LLM_USAGE) and table that keeps them; null without a gateway."
  value       = one([for usage in values(module.usage) : { table = usage.table, topic = usage.topic }])
}

output "secret_ids" {
  description = "Secrets of the application and of the channels; their values are added by a command, see terraform/README.md."
  value       = module.keys.secret_ids
}

output "service_account" {
  description = "E-mail of the application's service account; null where none is made."
  value       = module.keys.service_account_email
}

output "topics" {
  description = "Short names of the topics alerts, schedule and usage-events."
  value       = module.functions.topics
}
