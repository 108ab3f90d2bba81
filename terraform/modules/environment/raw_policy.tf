# SPDX-License-Identifier: Apache-2.0
# What a typed variable takes without a word, and policy.py refuses: a whole number in quotes, a key
# with nothing behind it. The table has each block's whole numbers and what it cannot do without; a
# test compares it with environments/policy.schema.json.

locals {
  _written = concat(
    [
      { at = "", is = var.raw_policy, whole = [], needed = ["environment", "project", "region"] },
      { at = "project.", is = try(var.raw_policy.project, null), whole = [], needed = ["id"] },
      { at = "project.create.", is = try(var.raw_policy.project.create, null), whole = [], needed = ["seed"] },
      { at = "application.", is = try(var.raw_policy.application, null), whole = [], needed = ["account"] },
      { at = "openai.", is = try(var.raw_policy.openai, null), whole = ["key_days", "max_tokens", "requests_per_minute"], needed = ["max_tokens", "model", "monthly_budget", "requests_per_minute"] },
      { at = "neo4j.", is = try(var.raw_policy.neo4j, null), whole = [], needed = ["uri"] },
      { at = "local_llm.", is = try(var.raw_policy.local_llm, null), whole = [], needed = ["endpoint", "model"] },
      { at = "budget.", is = try(var.raw_policy.budget, null), whole = [], needed = ["name"] },
      { at = "budget.cap.", is = try(var.raw_policy.budget.cap, null), whole = [], needed = ["enabled"] },
      { at = "budget.cap.release.", is = try(var.raw_policy.budget.cap.release, null), whole = ["apart_minutes", "reads"], needed = [] },
      { at = "billing_export.", is = try(var.raw_policy.billing_export, null), whole = [], needed = ["project"] },
      { at = "schedule.", is = try(var.raw_policy.schedule, null), whole = [], needed = ["morning", "night", "time_zone"] },
      { at = "schedule.night.", is = try(var.raw_policy.schedule.night, null), whole = [], needed = ["at"] },
      { at = "schedule.morning.", is = try(var.raw_policy.schedule.morning, null), whole = [], needed = ["at"] },
      { at = "counters.", is = try(var.raw_policy.counters, null), whole = ["replicas", "shards"], needed = [] },
      { at = "firebase.", is = try(var.raw_policy.firebase, null), whole = [], needed = ["auth"] },
      { at = "delivery.", is = try(var.raw_policy.delivery, null), whole = [], needed = ["owner_id", "repository_id"] },
      { at = "alerts.", is = try(var.raw_policy.alerts, null), whole = ["rotation_days"], needed = [] },
      { at = "alerts.storm.", is = try(var.raw_policy.alerts.storm, null), whole = ["messages", "minutes"], needed = [] },
      { at = "alerts.versions.", is = try(var.raw_policy.alerts.versions, null), whole = try(keys(var.raw_policy.alerts.versions), []), needed = [] },
      { at = "events.", is = try(var.raw_policy.events, null), whole = ["max_age_hours"], needed = [] },
      { at = "retention.", is = try(var.raw_policy.retention, null), whole = ["audit_days", "history_days"], needed = [] },
    ],
    try([{ at = "security.", is = var.raw_policy.security, whole = ["proxies", "quiet_hours", "timeout_ms"], needed = [] }], []),
    try([{ at = "security.responses.critical.", is = var.raw_policy.security.responses.critical, whole = ["hours", "per_minute"], needed = [] }], []),
    try([{ at = "security.responses.high.", is = var.raw_policy.security.responses.high, whole = ["hours", "per_minute"], needed = [] }], []),
    try([{ at = "security.responses.medium.", is = var.raw_policy.security.responses.medium, whole = ["hours", "per_minute"], needed = [] }], []),
    try([{ at = "security.responses.low.", is = var.raw_policy.security.responses.low, whole = ["hours", "per_minute"], needed = [] }], []),
    try([{ at = "gateway.", is = var.raw_policy.gateway, whole = ["body_kilobytes", "gather_milliseconds", "lease_margin_seconds", "retries", "seconds", "tokens_per_minute"], needed = [] }], []),
    try([{ at = "gateway.service.", is = var.raw_policy.gateway.service, whole = ["concurrency", "maximum", "minimum"], needed = ["image", "name"] }], []),
    try([{ at = "gateway.cache.", is = var.raw_policy.gateway.cache, whole = ["megabytes", "seconds"], needed = [] }], []),
    try([{ at = "gateway.tasks.", is = var.raw_policy.gateway.tasks, whole = keys(var.raw_policy.gateway.tasks), needed = [] }], []),
    try([for name, model in var.raw_policy.gateway.models : { at = "gateway.models.${name}.", is = model, whole = ["quality"], needed = [] }], []),
    try([for name, provider in var.raw_policy.gateway.providers : { at = "gateway.providers.${name}.", is = provider, whole = [], needed = ["endpoint"] }], []),
    try([{ at = "spending.", is = var.raw_policy.spending, whole = ["drift_percent"], needed = [] }], []),
    try([for i, rule in var.raw_policy.budget.thresholds : { at = "budget.thresholds[${i}].", is = rule, whole = [], needed = ["level", "percent"] }], []),
    try([for i, rule in var.raw_policy.budget.forecast : { at = "budget.forecast[${i}].", is = rule, whole = [], needed = ["level", "percent"] }], []),
    try([for name, part in var.raw_policy.budget.services : { at = "budget.services.${name}.", is = part, whole = [], needed = ["amount", "service"] }], []),
    try([for name, secret in var.raw_policy.secrets : { at = "secrets.${name}.", is = secret, whole = ["destroy_ttl_days", "rotation_days"], needed = ["readers"] }], []),
    try([for name, key in var.raw_policy.api_keys : { at = "api_keys.${name}.", is = key, whole = [], needed = ["apis"] }], []),
    try([for name, quota in var.raw_policy.quotas : { at = "quotas.${name}.", is = quota, whole = ["value"], needed = ["quota", "service", "value"] }], []),
    try([for name, target in var.raw_policy.services : { at = "services.${name}.", is = target, whole = [], needed = ["critical"] }], []),
    try([for name, target in var.raw_policy.subscriptions : { at = "subscriptions.${name}.", is = target, whole = [], needed = ["critical"] }], []),
  )

  not_whole = flatten([
    for block in local._written : [
      for key in block.whole : "${block.at}${key}"
      if try(block.is[key] != null, false) ? !can(regex("^-?[0-9]+$", jsonencode(block.is[key]))) : false
    ]
  ])
  empty_keys = flatten([
    for block in local._written : [
      for key in block.needed : "${block.at}${key}"
      if try(block.is[key] == null, false)
    ]
  ])
}
