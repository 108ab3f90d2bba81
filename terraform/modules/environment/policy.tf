# SPDX-License-Identifier: Apache-2.0
# The policy as functions/twinguard/policy.py has it: the same keys, defaults and rules, so that a
# mistake is refused before anything is deployed. A test compares the two, value by value.

variable "policy" {
  description = "The environment's policy.yaml."
  type = object({
    environment     = string
    project         = object({ id = string, shared = optional(bool, false) })
    billing_account = optional(string)
    region          = string
    labels          = optional(map(string), {})
    budget = optional(object({
      name       = string
      amount     = optional(number)
      currency   = optional(string, "USD")
      thresholds = optional(list(object({ percent = number, level = string })), [])
      forecast   = optional(list(object({ percent = number, level = string })), [])
      cap = optional(object({
        enabled        = bool
        percent        = optional(number, 100)
        stop_serving   = optional(bool, false)
        unlink_billing = optional(bool, false)
        release = optional(object({
          reads         = optional(number, 2)
          apart_minutes = optional(number, 10)
        }), {})
        rearm_percent = optional(number, 10)
      }), { enabled = false })
    }))
    services      = optional(map(object({ critical = bool, region = optional(string), account = optional(string) })), {})
    subscriptions = optional(map(object({ critical = bool, region = optional(string), account = optional(string) })), {})
    schedule = optional(object({
      time_zone     = string
      night         = object({ at = string, days = optional(list(string), ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]) })
      morning       = object({ at = string, days = optional(list(string), ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]) })
      services      = optional(list(string), [])
      subscriptions = optional(list(string), [])
      skip          = optional(list(string), [])
    }))
    alerts = optional(object({
      routes   = optional(map(list(string)), {})
      storm    = optional(object({ messages = optional(number, 10), minutes = optional(number, 10) }), {})
      contacts = optional(list(string), [])
      versions = optional(map(number), {})
    }), {})
    events    = optional(object({ max_age_hours = optional(number, 24) }), {})
    retention = optional(object({ audit_days = optional(number, 400), history_days = optional(number, 400) }), {})
  })
  nullable = false

  validation {
    condition     = var.policy.environment == var.environment
    error_message = "environments/${var.environment}/policy.yaml: environment: ${var.policy.environment} stands in the folder of ${var.environment}; make the two the same, or move the file."
  }
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.policy.project.id))
    error_message = "environments/${var.environment}/policy.yaml: project.id must have 6 to 30 lower case letters, digits and hyphens; write it like living-twin-staging."
  }
  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.policy.billing_account))
    error_message = "environments/${var.environment}/policy.yaml: billing_account must look like 012345-567890-ABCDEF, and a deployed budget needs it; 'gcloud billing accounts list' shows yours."
  }
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.policy.region))
    error_message = "environments/${var.environment}/policy.yaml: region does not look like europe-west1; correct it."
  }
  validation {
    condition     = alltrue([for key, value in var.policy.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "environments/${var.environment}/policy.yaml: labels must be lower case letters, digits, _ and -, keys beginning with a letter; correct them."
  }
  validation {
    condition     = var.policy.budget != null
    error_message = "environments/${var.environment}/policy.yaml: budget is missing; what is deployed has to be watched: add it (its amount may be left out)."
  }
  validation {
    condition     = try(length(var.policy.budget.name) <= 60, true)
    error_message = "environments/${var.environment}/policy.yaml: budget.name must have at most 60 characters; shorten it."
  }
  validation {
    condition     = try(var.policy.budget.amount > 0, true)
    error_message = "environments/${var.environment}/policy.yaml: budget.amount must be above zero; remove it to run without a cap."
  }
  validation {
    condition     = can(regex("^[A-Z]{3}$", try(var.policy.budget.currency, "USD")))
    error_message = "environments/${var.environment}/policy.yaml: budget.currency must be three capitals; write it like USD."
  }
  validation {
    condition     = try(var.policy.budget.amount, 0) != null || !try(var.policy.budget.cap.enabled || length(concat(var.policy.budget.thresholds, var.policy.budget.forecast)) > 0, false)
    error_message = "environments/${var.environment}/policy.yaml: budget.amount is missing; a cap and thresholds cannot be computed without it: add an amount, or remove thresholds, forecast and cap."
  }
  validation {
    condition     = try(alltrue([for rule in concat(var.policy.budget.thresholds, var.policy.budget.forecast) : rule.percent > 0]), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.thresholds and budget.forecast: every percent must be above zero; correct it."
  }
  validation {
    condition     = try(alltrue([for rules in [var.policy.budget.thresholds, var.policy.budget.forecast] : alltrue([for i, rule in rules : i == 0 || try(rules[i - 1].percent < rule.percent, false)])]), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.thresholds and budget.forecast: percents must ascend without repeats; sort them."
  }
  validation {
    condition     = try(alltrue([for rule in concat(var.policy.budget.thresholds, var.policy.budget.forecast) : contains(["low", "medium", "high", "critical"], rule.level)]), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.thresholds and budget.forecast: a level is not known; choose low, medium, high or critical."
  }
  validation {
    condition     = try(!var.policy.budget.cap.enabled || contains(var.policy.budget.thresholds[*].percent, var.policy.budget.cap.percent), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.thresholds must contain the cap's percent (${try(var.policy.budget.cap.percent, 100)}), or the cap has no event to act on: add it."
  }
  validation {
    condition     = try(var.policy.budget.cap.percent > 0, true)
    error_message = "environments/${var.environment}/policy.yaml: budget.cap.percent must be above zero; set cap.enabled to false to run without a cap."
  }
  validation {
    condition     = try(var.policy.budget.cap.rearm_percent > 0, true)
    error_message = "environments/${var.environment}/policy.yaml: budget.cap.rearm_percent must be above zero; correct it."
  }
  validation {
    condition     = try(!var.policy.budget.cap.unlink_billing || var.policy.budget.cap.stop_serving, true)
    error_message = "environments/${var.environment}/policy.yaml: budget.cap.unlink_billing stops everything; it needs cap.stop_serving: true as well."
  }
  validation {
    condition     = try(contains(range(1, 6), var.policy.budget.cap.release.reads), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.cap.release.reads must be a whole number from 1 to 5; correct it."
  }
  validation {
    condition     = try(contains(range(0, 721), var.policy.budget.cap.release.apart_minutes), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.cap.release.apart_minutes must be a whole number from 0 to 720; correct it."
  }
  validation {
    condition     = alltrue([for name in concat(keys(var.policy.services), keys(var.policy.subscriptions)) : can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", name))])
    error_message = "environments/${var.environment}/policy.yaml: services and subscriptions must be named in lower case letters, digits and hyphens; write them like living-twin-api."
  }
  validation {
    condition     = alltrue([for name in concat(keys(var.policy.services), keys(var.policy.subscriptions)) : !can(regex("^(twinguard|eventarc|gcf)-", name))])
    error_message = "environments/${var.environment}/policy.yaml: services and subscriptions beginning with twinguard-, eventarc- or gcf- belong to Twinguard's own control plane and can never be held; remove them."
  }
  validation {
    condition     = alltrue([for target in concat(values(var.policy.services), values(var.policy.subscriptions)) : target.account == null || can(regex("^[a-z0-9][a-z0-9.-]*@[a-z0-9][a-z0-9.-]*\\.gserviceaccount\\.com$", target.account))])
    error_message = "environments/${var.environment}/policy.yaml: services.*.account and subscriptions.*.account must be the e-mail of a service account; write the part after @ as well."
  }
  validation {
    condition     = try(length(setsubtract(var.policy.schedule.services, keys(var.policy.services))) == 0, true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.services: unknown service ${try(join(", ", setsubtract(var.policy.schedule.services, keys(var.policy.services))), "")}; add it under services or remove it here."
  }
  validation {
    condition     = try(length(setsubtract(var.policy.schedule.subscriptions, keys(var.policy.subscriptions))) == 0, true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.subscriptions: unknown subscription ${try(join(", ", setsubtract(var.policy.schedule.subscriptions, keys(var.policy.subscriptions))), "")}; add it under subscriptions or remove it here."
  }
  validation {
    condition     = can(regex("^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", try(var.policy.schedule.time_zone, "UTC")))
    error_message = "environments/${var.environment}/policy.yaml: schedule.time_zone is not a name of the tz database; write it like Europe/Brussels."
  }
  validation {
    condition     = try(alltrue([for slot in [var.policy.schedule.night, var.policy.schedule.morning] : can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", slot.at))]), true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.night.at and schedule.morning.at are times of day; write them like \"02:00\", in quotes."
  }
  validation {
    condition     = try(alltrue([for slot in [var.policy.schedule.night, var.policy.schedule.morning] : length(slot.days) > 0]), true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.*.days must name at least one day; remove the schedule to stop it."
  }
  validation {
    condition     = try(alltrue([for slot in [var.policy.schedule.night, var.policy.schedule.morning] : length(distinct(slot.days)) == length(slot.days)]), true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.*.days must not repeat a day; remove one."
  }
  validation {
    condition     = try(alltrue([for slot in [var.policy.schedule.night, var.policy.schedule.morning] : length(setsubtract(slot.days, ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])) == 0]), true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.*.days: a day is not known; choose mon, tue, wed, thu, fri, sat or sun."
  }
  validation {
    condition     = try(var.policy.schedule.night.at != var.policy.schedule.morning.at, true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.night and schedule.morning are the same; change one."
  }
  validation {
    condition     = try(alltrue([for day in var.policy.schedule.skip : can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}(T00:00:00Z)?$", day))]), true)
    error_message = "environments/${var.environment}/policy.yaml: schedule.skip holds dates; write them like 2026-12-25."
  }
  validation {
    condition     = length(setsubtract(keys(var.policy.alerts.routes), ["low", "medium", "high", "critical"])) == 0
    error_message = "environments/${var.environment}/policy.yaml: alerts.routes: a level is not known; choose low, medium, high or critical."
  }
  validation {
    condition     = length(setsubtract(flatten(values(var.policy.alerts.routes)), ["email", "slack", "sms", "pagerduty"])) == 0
    error_message = "environments/${var.environment}/policy.yaml: alerts.routes: a channel is not known; choose email, slack, sms or pagerduty."
  }
  validation {
    condition     = var.policy.alerts.storm.messages >= 1 && var.policy.alerts.storm.minutes >= 1
    error_message = "environments/${var.environment}/policy.yaml: alerts.storm.messages and alerts.storm.minutes must be at least 1; correct them."
  }
  validation {
    condition     = length(var.policy.alerts.contacts) >= 1 && length(var.policy.alerts.contacts) <= 5
    error_message = "environments/${var.environment}/policy.yaml: alerts.contacts must hold one to five addresses: Google refuses a budget without an e-mail recipient, and takes five at most."
  }
  validation {
    condition     = alltrue([for text in var.policy.alerts.contacts : can(regex("^[^\\s@,<>\"]+@[A-Za-z0-9.-]+$", text))])
    error_message = "environments/${var.environment}/policy.yaml: alerts.contacts: an e-mail address is wrong; write it like security@example.com."
  }
  validation {
    condition     = length(setsubtract(keys(var.policy.alerts.versions), local.settings)) == 0
    error_message = "environments/${var.environment}/policy.yaml: alerts.versions: unknown setting ${join(", ", setsubtract(keys(var.policy.alerts.versions), local.settings))}; choose ${join(", ", local.settings)}."
  }
  validation {
    condition     = alltrue([for version in values(var.policy.alerts.versions) : version >= 1 && floor(version) == version])
    error_message = "environments/${var.environment}/policy.yaml: alerts.versions are numbers of versions, from 1; correct them."
  }
  validation {
    condition     = contains(range(1, 745), var.policy.events.max_age_hours)
    error_message = "environments/${var.environment}/policy.yaml: events.max_age_hours must be a whole number from 1 to 744; correct it."
  }
  validation {
    condition     = alltrue([for days in [var.policy.retention.audit_days, var.policy.retention.history_days] : days >= 1 && floor(days) == days])
    error_message = "environments/${var.environment}/policy.yaml: retention.audit_days and retention.history_days must be whole numbers from 1; correct them."
  }
}
