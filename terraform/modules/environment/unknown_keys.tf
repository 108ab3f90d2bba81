# SPDX-License-Identifier: Apache-2.0
# Terraform drops attributes that a type does not name. Each block of the file is compared with the
# typed policy, which has them all; a misspelt key would otherwise be a default nobody asked for.

locals {
  _blocks = merge(
    {
      ""                    = { has = try(keys(var.raw_policy), []), known = try(keys(var.policy), []) }
      "project."            = { has = try(keys(var.raw_policy.project), []), known = try(keys(var.policy.project), []) }
      "project.create."     = { has = try(keys(var.raw_policy.project.create), []), known = try(keys(var.policy.project.create), []) }
      "application."        = { has = try(keys(var.raw_policy.application), []), known = try(keys(var.policy.application), []) }
      "openai."             = { has = try(keys(var.raw_policy.openai), []), known = try(keys(var.policy.openai), []) }
      "gateway."            = { has = try(keys(var.raw_policy.gateway), []), known = try(keys(var.policy.gateway), []) }
      "gateway.service."    = { has = try(keys(var.raw_policy.gateway.service), []), known = try(keys(var.policy.gateway.service), []) }
      "gateway.cache."      = { has = try(keys(var.raw_policy.gateway.cache), []), known = try(keys(var.policy.gateway.cache), []) }
      "neo4j."              = { has = try(keys(var.raw_policy.neo4j), []), known = try(keys(var.policy.neo4j), []) }
      "local_llm."          = { has = try(keys(var.raw_policy.local_llm), []), known = try(keys(var.policy.local_llm), []) }
      "emulators."          = { has = try(keys(var.raw_policy.emulators), []), known = try(keys(var.policy.emulators), []) }
      "mocks."              = { has = try(keys(var.raw_policy.mocks), []), known = try(keys(var.policy.mocks), []) }
      "env_file."           = { has = try(keys(var.raw_policy.env_file), []), known = try(keys(var.policy.env_file), []) }
      "budget."             = { has = try(keys(var.raw_policy.budget), []), known = try(keys(var.policy.budget), []) }
      "budget.cap."         = { has = try(keys(var.raw_policy.budget.cap), []), known = try(keys(var.policy.budget.cap), []) }
      "budget.cap.release." = { has = try(keys(var.raw_policy.budget.cap.release), []), known = try(keys(var.policy.budget.cap.release), []) }
      "billing_export."     = { has = try(keys(var.raw_policy.billing_export), []), known = try(keys(var.policy.billing_export), []) }
      "schedule."           = { has = try(keys(var.raw_policy.schedule), []), known = try(keys(var.policy.schedule), []) }
      "schedule.night."     = { has = try(keys(var.raw_policy.schedule.night), []), known = try(keys(var.policy.schedule.night), []) }
      "schedule.morning."   = { has = try(keys(var.raw_policy.schedule.morning), []), known = try(keys(var.policy.schedule.morning), []) }
      "counters."           = { has = try(keys(var.raw_policy.counters), []), known = try(keys(var.policy.counters), []) }
      "firebase."           = { has = try(keys(var.raw_policy.firebase), []), known = try(keys(var.policy.firebase), []) }
      "delivery."           = { has = try(keys(var.raw_policy.delivery), []), known = try(keys(var.policy.delivery), []) }
      "alerts."             = { has = try(keys(var.raw_policy.alerts), []), known = try(keys(var.policy.alerts), []) }
      "alerts.storm."       = { has = try(keys(var.raw_policy.alerts.storm), []), known = try(keys(var.policy.alerts.storm), []) }
      "events."             = { has = try(keys(var.raw_policy.events), []), known = try(keys(var.policy.events), []) }
      "spending."           = { has = try(keys(var.raw_policy.spending), []), known = try(keys(var.policy.spending), []) }
      "security."           = { has = try(keys(var.raw_policy.security), []), known = try(keys(var.policy.security), []) }
      "security.responses." = { has = try(keys(var.raw_policy.security.responses), []), known = try(keys(var.policy.security.responses), []) }
      "retention."          = { has = try(keys(var.raw_policy.retention), []), known = try(keys(var.policy.retention), []) }
    },
    { for i, rule in try(var.raw_policy.budget.thresholds, []) : "budget.thresholds[${i}]." => { has = keys(rule), known = ["percent", "level"] } },
    { for i, rule in try(var.raw_policy.budget.forecast, []) : "budget.forecast[${i}]." => { has = keys(rule), known = ["percent", "level"] } },
    { for name, part in try(var.raw_policy.budget.services, {}) : "budget.services.${name}." => { has = keys(part), known = ["amount", "service"] } },
    { for name, model in try(var.raw_policy.gateway.models, {}) : "gateway.models.${name}." => { has = keys(model), known = ["provider", "quality", "embeddings", "fallbacks"] } },
    { for name, provider in try(var.raw_policy.gateway.providers, {}) : "gateway.providers.${name}." => { has = keys(provider), known = ["endpoint", "secret", "prices"] } },
    { for level, treatment in try(var.raw_policy.security.responses, {}) : "security.responses.${level}." => { has = keys(treatment), known = ["block", "hours", "per_minute", "rotate"] } },
    { for name, secret in try(var.raw_policy.secrets, {}) : "secrets.${name}." => { has = keys(secret), known = keys(var.policy.secrets[name]) } },
    { for name, key in try(var.raw_policy.api_keys, {}) : "api_keys.${name}." => { has = keys(key), known = keys(var.policy.api_keys[name]) } },
    { for name, quota in try(var.raw_policy.quotas, {}) : "quotas.${name}." => { has = keys(quota), known = keys(var.policy.quotas[name]) } },
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
