# SPDX-License-Identifier: Apache-2.0
# Terraform drops attributes that a type does not name. Each block of the file is compared with the
# typed policy, which has them all; a misspelt key would otherwise be a default nobody asked for.

locals {
  _blocks = merge(
    {
      ""                    = { has = try(keys(var.raw_policy), []), known = try(keys(var.policy), []) }
      "project."            = { has = try(keys(var.raw_policy.project), []), known = try(keys(var.policy.project), []) }
      "budget."             = { has = try(keys(var.raw_policy.budget), []), known = try(keys(var.policy.budget), []) }
      "budget.cap."         = { has = try(keys(var.raw_policy.budget.cap), []), known = try(keys(var.policy.budget.cap), []) }
      "budget.cap.release." = { has = try(keys(var.raw_policy.budget.cap.release), []), known = try(keys(var.policy.budget.cap.release), []) }
      "schedule."           = { has = try(keys(var.raw_policy.schedule), []), known = try(keys(var.policy.schedule), []) }
      "schedule.night."     = { has = try(keys(var.raw_policy.schedule.night), []), known = try(keys(var.policy.schedule.night), []) }
      "schedule.morning."   = { has = try(keys(var.raw_policy.schedule.morning), []), known = try(keys(var.policy.schedule.morning), []) }
      "alerts."             = { has = try(keys(var.raw_policy.alerts), []), known = try(keys(var.policy.alerts), []) }
      "alerts.storm."       = { has = try(keys(var.raw_policy.alerts.storm), []), known = try(keys(var.policy.alerts.storm), []) }
      "events."             = { has = try(keys(var.raw_policy.events), []), known = try(keys(var.policy.events), []) }
      "retention."          = { has = try(keys(var.raw_policy.retention), []), known = try(keys(var.policy.retention), []) }
    },
    { for i, rule in try(var.raw_policy.budget.thresholds, []) : "budget.thresholds[${i}]." => { has = keys(rule), known = ["percent", "level"] } },
    { for i, rule in try(var.raw_policy.budget.forecast, []) : "budget.forecast[${i}]." => { has = keys(rule), known = ["percent", "level"] } },
    { for name, target in try(var.raw_policy.services, {}) : "services.${name}." => { has = keys(target), known = keys(var.policy.services[name]) } },
    { for name, target in try(var.raw_policy.subscriptions, {}) : "subscriptions.${name}." => { has = keys(target), known = keys(var.policy.subscriptions[name]) } },
  )

  unknown_keys = flatten([
    for at, block in local._blocks : [for key in block.has : "${at}${key}" if !contains(block.known, key)]
  ])
}

output "policy" {
  description = "The policy with its defaults filled in, as the functions get it."
  value       = local.policy

  precondition {
    condition     = length(local.unknown_keys) == 0
    error_message = "environments/${var.environment}/policy.yaml: unknown key ${join(", ", local.unknown_keys)}; correct the spelling or remove it (environments/policy.schema.json lists the keys)."
  }
}
