# SPDX-License-Identifier: Apache-2.0
# The policy as functions/twinguard/policy.py has it: the same keys, defaults and rules, so that a
# mistake is refused before anything is deployed. A test compares the two, value by value.

variable "policy" {
  description = "The environment's policy.yaml."
  type = object({
    environment = string
    project = object({
      id               = string
      shared           = optional(bool, false)
      create           = optional(object({ seed = string, folder = optional(string), organisation = optional(string) }))
      default_accounts = optional(string, "disable")
      protected        = optional(bool, true)
    })
    billing_account = optional(string)
    region          = string
    labels          = optional(map(string), {})
    application     = optional(object({ account = string, roles = optional(list(string), []) }))
    openai = optional(object({
      model               = string
      max_tokens          = number
      temperature         = optional(number)
      requests_per_minute = number
      monthly_budget      = number
      project             = optional(string)
      scopes              = optional(list(string), [])
      key_days            = optional(number)
    }))
    gateway = optional(object({
      tokens_per_minute    = optional(number)
      seconds              = optional(number, 300)
      lease_margin_seconds = optional(number, 30)
      retries              = optional(number, 2)
      body_kilobytes       = optional(number, 4096)
      gather_milliseconds  = optional(number, 3)
      guarded_networks     = optional(list(string), [])
      cache = optional(object({
        seconds   = optional(number, 3600)
        megabytes = optional(number, 64)
      }), {})
      providers = optional(map(object({
        endpoint = string
        secret   = optional(string)
        prices   = optional(string)
      })), {})
      models = optional(map(object({
        provider   = optional(string, "openai")
        quality    = optional(number, 50)
        embeddings = optional(bool, false)
        fallbacks  = optional(list(string), [])
      })), {})
      tasks = optional(map(number), {})
      service = optional(object({
        name        = string
        image       = string
        ingress     = optional(string, "internal")
        minimum     = optional(number, 0)
        maximum     = optional(number, 3)
        concurrency = optional(number, 80)
        invokers    = optional(list(string), ["application"])
      }))
    }))
    neo4j     = optional(object({ uri = string, user = optional(string), password = optional(string) }))
    local_llm = optional(object({ endpoint = string, model = string }))
    emulators = optional(object({ project = optional(string), firestore = optional(string), auth = optional(string) }))
    mocks     = optional(object({ services = optional(bool, false), llm_responses = optional(bool, false) }))
    env_file  = optional(object({ age = optional(list(string), []), kms = optional(string) }))
    secrets = optional(map(object({
      readers          = list(string)
      rotation_days    = optional(number, 90)
      destroy_ttl_days = optional(number, 30)
    })), {})
    api_keys = optional(map(object({
      apis      = list(string)
      addresses = optional(list(string), [])
      referrers = optional(list(string), [])
    })), {})
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
      services = optional(map(object({ service = string, amount = number })), {})
    }))
    billing_export = optional(object({
      project   = string
      dataset   = optional(string, "billing_export")
      location  = optional(string, "EU")
      create    = optional(bool, false)
      connected = optional(bool, false)
      detailed  = optional(bool, false)
      readers   = optional(list(string), [])
    }))
    quotas = optional(map(object({
      service    = string
      quota      = string
      value      = number
      dimensions = optional(map(string), {})
    })), {})
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
    counters = optional(object({
      node     = optional(string, "SHARED_CORE_NANO")
      shards   = optional(number, 1)
      replicas = optional(number, 0)
      cidr     = optional(string, "10.80.0.0/24")
    }))
    firebase = optional(object({ auth = string, authorized_domains = optional(list(string), []) }))
    delivery = optional(object({
      repository_id = string
      owner_id      = string
      branch        = optional(string, "main")
      tests         = optional(string)
      state_bucket  = optional(string)
      state_project = optional(string)
    }))
    alerts = optional(object({
      routes        = optional(map(list(string)), {})
      storm         = optional(object({ messages = optional(number, 10), minutes = optional(number, 10) }), {})
      contacts      = optional(list(string), [])
      versions      = optional(map(number), {})
      rotation_days = optional(number, 365)
    }), {})
    security = optional(object({
      on_failure    = optional(string, "open")
      closed_paths  = optional(list(string), [])
      timeout_ms    = optional(number, 100)
      proxies       = optional(number, 1)
      region_header = optional(string)
      exempt_paths  = optional(list(string), ["/healthz", "/readyz"])
      quiet_hours   = optional(number, 24)
      responses = optional(object({
        critical = optional(object({ block = optional(bool, false), per_minute = optional(number), hours = optional(number), rotate = optional(bool, false) }), { block = true })
        high     = optional(object({ block = optional(bool, false), per_minute = optional(number), hours = optional(number), rotate = optional(bool, false) }), { per_minute = 10, hours = 24, rotate = true })
        medium   = optional(object({ block = optional(bool, false), per_minute = optional(number), hours = optional(number), rotate = optional(bool, false) }), { per_minute = 10, hours = 1 })
        low      = optional(object({ block = optional(bool, false), per_minute = optional(number), hours = optional(number), rotate = optional(bool, false) }), {})
      }), {})
    }), {})
    events    = optional(object({ max_age_hours = optional(number, 24) }), {})
    retention = optional(object({ audit_days = optional(number, 400), history_days = optional(number, 400) }), {})
    # The application's and the gateway's own; the functions get it with the rest.
    spending = optional(object({
      limits        = optional(map(number), {})
      open_routes   = optional(list(string), [])
      drift_percent = optional(number, 5)
    }), {})
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
    condition     = contains(["open", "closed"], var.policy.security.on_failure)
    error_message = "environments/${var.environment}/policy.yaml: security.on_failure must be open or closed; correct it."
  }
  validation {
    condition     = var.policy.security.timeout_ms >= 5 && var.policy.security.timeout_ms <= 5000 && floor(var.policy.security.timeout_ms) == var.policy.security.timeout_ms && contains(range(0, 11), var.policy.security.proxies) && contains(range(1, 721), var.policy.security.quiet_hours)
    error_message = "environments/${var.environment}/policy.yaml: security.timeout_ms must be from 5 to 5000, proxies from 0 to 10 and quiet_hours from 1 to 720; correct them."
  }
  validation {
    condition     = alltrue([for path in concat(var.policy.security.closed_paths, var.policy.security.exempt_paths) : can(regex("^/[A-Za-z0-9._~/-]*$", path))])
    error_message = "environments/${var.environment}/policy.yaml: security.closed_paths and exempt_paths begin with / and have no wildcards; correct them."
  }
  validation {
    condition     = var.policy.security.region_header == null || can(regex("^[A-Za-z0-9-]{1,60}$", var.policy.security.region_header))
    error_message = "environments/${var.environment}/policy.yaml: security.region_header must be a header's name, like X-Client-Region; correct it."
  }
  validation {
    condition     = alltrue([for treatment in values(var.policy.security.responses) : !(treatment.block && treatment.per_minute != null)])
    error_message = "environments/${var.environment}/policy.yaml: security.responses: a blocked key is not throttled; write block or per_minute."
  }
  validation {
    condition     = alltrue([for treatment in values(var.policy.security.responses) : treatment.hours == null || treatment.block || treatment.per_minute != null])
    error_message = "environments/${var.environment}/policy.yaml: security.responses: hours of what? Write block or per_minute, or remove hours."
  }
  validation {
    condition     = alltrue([for treatment in values(var.policy.security.responses) : try(treatment.per_minute >= 1 && treatment.per_minute <= 100000 && floor(treatment.per_minute) == treatment.per_minute, treatment.per_minute == null) && try(treatment.hours >= 1 && treatment.hours <= 8784 && floor(treatment.hours) == treatment.hours, treatment.hours == null)])
    error_message = "environments/${var.environment}/policy.yaml: security.responses: per_minute must be from 1 to 100000 and hours from 1 to 8784; correct them."
  }
  validation {
    condition     = contains(range(1, 745), var.policy.events.max_age_hours)
    error_message = "environments/${var.environment}/policy.yaml: events.max_age_hours must be a whole number from 1 to 744; correct it."
  }
  validation {
    condition     = alltrue([for amount in values(var.policy.spending.limits) : amount >= 0 && amount <= 9007199])
    error_message = "environments/${var.environment}/policy.yaml: spending: every limit must be from 0 to 9007199 USD; correct it, or remove it."
  }
  validation {
    condition     = alltrue([for name in keys(var.policy.spending.limits) : can(regex("^(tenant|feature|key|model):[^\\s]([^\n]{0,198}[^\\s])?$", name))]) && alltrue([for route in var.policy.spending.open_routes : can(regex("^/[^\\s?#]*$", route))])
    error_message = "environments/${var.environment}/policy.yaml: spending.limits must be named like tenant:acme, and spending.open_routes be written like /healthz; correct them."
  }
  validation {
    condition     = contains(range(1, 101), var.policy.spending.drift_percent)
    error_message = "environments/${var.environment}/policy.yaml: spending.drift_percent must be a whole number from 1 to 100; correct it."
  }
  validation {
    condition     = alltrue([for days in [var.policy.retention.audit_days, var.policy.retention.history_days] : days >= 1 && floor(days) == days])
    error_message = "environments/${var.environment}/policy.yaml: retention.audit_days and retention.history_days must be whole numbers from 1; correct them."
  }
  validation {
    condition     = var.policy.project.create == null || try((var.policy.project.create.folder == null) != (var.policy.project.create.organisation == null), false)
    error_message = "environments/${var.environment}/policy.yaml: project.create needs a folder or an organisation, by its number; write one of the two."
  }
  validation {
    condition     = try(alltrue([for number in compact([var.policy.project.create.folder, var.policy.project.create.organisation]) : can(regex("^[0-9]+$", number))]), true)
    error_message = "environments/${var.environment}/policy.yaml: project.create: a folder and an organisation are named by their number; write it in quotes."
  }
  validation {
    condition     = contains(["disable", "deprivilege", "keep"], var.policy.project.default_accounts)
    error_message = "environments/${var.environment}/policy.yaml: project.default_accounts is not known; choose disable, deprivilege or keep."
  }
  validation {
    condition     = try(can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.policy.application.account)), true) || var.policy.application == null
    error_message = "environments/${var.environment}/policy.yaml: application.account must have 6 to 30 lower case letters, digits and hyphens; write it like living-twin-staging."
  }
  validation {
    condition     = try(alltrue([for role in var.policy.application.roles : can(regex("^roles/[a-zA-Z]+(\\.[a-zA-Z]+)+$", role))]), true)
    error_message = "environments/${var.environment}/policy.yaml: application.roles must be predefined roles, never basic ones; write them like roles/datastore.user."
  }
  validation {
    condition     = alltrue([for name in concat(keys(var.policy.secrets), keys(var.policy.api_keys), keys(var.policy.quotas), try(keys(var.policy.budget.services), [])) : can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", name))])
    error_message = "environments/${var.environment}/policy.yaml: secrets, api_keys, quotas and budget.services must be named in lower case letters, digits and hyphens; write them like openai-api-key."
  }
  validation {
    condition     = alltrue([for secret in values(var.policy.secrets) : length(secret.readers) > 0])
    error_message = "environments/${var.environment}/policy.yaml: secrets.*.readers must name who reads it; write application, tests, or a member like group:developers@example.com."
  }
  validation {
    condition     = alltrue([for reader in flatten(values(var.policy.secrets)[*].readers) : can(regex("^(application|tests|(serviceAccount|group|user):[^@\\s]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+)$", reader))])
    error_message = "environments/${var.environment}/policy.yaml: secrets.*.readers must be application, tests, or a member like group:developers@example.com; correct them."
  }
  validation {
    condition     = var.policy.application != null || (var.policy.firebase == null && !contains(flatten(values(var.policy.secrets)[*].readers), "application"))
    error_message = "environments/${var.environment}/policy.yaml: application is missing; the secrets' readers or firebase speak of it: add it."
  }
  validation {
    condition     = try(var.policy.delivery.tests, null) != null || !contains(flatten(values(var.policy.secrets)[*].readers), "tests")
    error_message = "environments/${var.environment}/policy.yaml: delivery.tests is missing; a secret's readers speak of it: add it."
  }
  validation {
    condition     = alltrue([for secret in values(var.policy.secrets) : secret.rotation_days >= 1 && secret.rotation_days <= 3650 && floor(secret.rotation_days) == secret.rotation_days && contains(range(1, 1001), secret.destroy_ttl_days)])
    error_message = "environments/${var.environment}/policy.yaml: secrets.*.rotation_days must be a whole number from 1 to 3650, destroy_ttl_days one from 1 to 1000; correct them."
  }
  validation {
    condition     = length(setintersection(keys(var.policy.secrets), [for setting in local.settings : lower(replace(setting, "_", "-"))])) == 0
    error_message = "environments/${var.environment}/policy.yaml: secrets: the alerts' channels have a secret of this name; choose another."
  }
  validation {
    condition     = alltrue([for key in values(var.policy.api_keys) : length(key.apis) > 0 && alltrue([for api in key.apis : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*\\.googleapis\\.com$", api))])])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.apis must name the APIs that the key is for; write them like places.googleapis.com."
  }
  validation {
    condition     = alltrue([for key in values(var.policy.api_keys) : (length(key.addresses) > 0) != (length(key.referrers) > 0)])
    error_message = "environments/${var.environment}/policy.yaml: api_keys: a key needs addresses (a server's) or referrers (a browser's); write one of the two."
  }
  validation {
    condition     = length(setsubtract(keys(var.policy.api_keys), keys(var.policy.secrets))) == 0
    error_message = "environments/${var.environment}/policy.yaml: api_keys: a key is made into the secret of its name, so that its value is in no state; add that under secrets."
  }
  validation {
    condition     = alltrue([for list in flatten([for key in values(var.policy.api_keys) : [{ of = key.apis }, { of = key.addresses }, { of = key.referrers }]]) : length(list.of) == length(distinct(list.of))])
    error_message = "environments/${var.environment}/policy.yaml: api_keys: an API, an address or a referrer stands there twice; remove one."
  }
  validation {
    condition     = alltrue([for address in flatten(values(var.policy.api_keys)[*].addresses) : can(cidrhost(strcontains(address, "/") ? address : "${address}/32", 0))])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.addresses must be IP addresses or ranges; write them like 203.0.113.7 or 203.0.113.0/28."
  }
  validation {
    condition     = alltrue([for address in flatten(values(var.policy.api_keys)[*].addresses) : try(tonumber(split("/", address)[1]) >= (strcontains(address, ":") ? 32 : 16), true)])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.addresses must be no wider than /16, or /32 for IPv6: half of the internet is no restriction; name your servers' own."
  }
  validation {
    condition     = alltrue([for referrer in flatten(values(var.policy.api_keys)[*].referrers) : can(regex("^(https?://)?(\\*\\.)?([a-z0-9-]+\\.)+[a-z]{2,}(:[0-9]+)?(/.*)?$", referrer))])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.referrers must name sites, with * for their subdomains and pages at most; write them like https://app.example.com/*."
  }
  validation {
    condition     = try(alltrue([for part in values(var.policy.budget.services) : can(regex("^services/[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}$", part.service))]), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.services.*.service must be an id of Google's catalogue; write it like services/152E-C115-5142."
  }
  validation {
    condition     = try(alltrue([for part in values(var.policy.budget.services) : part.amount > 0]), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.services.*.amount must be above zero; correct it."
  }
  validation {
    condition     = try(sum(concat([0], [for part in values(var.policy.budget.services) : floor(part.amount * 1000000000 + 0.5)])) <= (var.policy.budget.amount == null ? 0 : floor(var.policy.budget.amount * 1000000000 + 0.5)), true) # in whole nanos: to HCL, 0.1 and 0.2 are more than 0.3
    error_message = "environments/${var.environment}/policy.yaml: budget.services together have more than budget.amount; lower them, or raise it."
  }
  validation {
    condition     = try(can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.policy.billing_export.project)) && can(regex("^[A-Za-z_][A-Za-z0-9_]*$", var.policy.billing_export.dataset)) && can(regex("^(EU|US|[a-z]+-[a-z]+[0-9]+)$", var.policy.billing_export.location)), true) || var.policy.billing_export == null
    error_message = "environments/${var.environment}/policy.yaml: billing_export needs the id of a project, a dataset like billing_export, and a location like EU; correct them."
  }
  validation {
    condition     = try(alltrue([for reader in var.policy.billing_export.readers : can(regex("^(serviceAccount|group|user):[^@\\s]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$", reader))]), true)
    error_message = "environments/${var.environment}/policy.yaml: billing_export.readers must be members; write them like group:finance@example.com."
  }
  validation {
    condition     = try(!var.policy.billing_export.create || var.policy.billing_export.project == var.policy.project.id, true)
    error_message = "environments/${var.environment}/policy.yaml: billing_export.create makes the dataset in the environment's own project; set billing_export.project to project.id, or remove create."
  }
  validation {
    condition     = alltrue([for quota in values(var.policy.quotas) : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*\\.googleapis\\.com$", quota.service)) && can(regex("^[A-Za-z][A-Za-z0-9_-]+$", quota.quota))])
    error_message = "environments/${var.environment}/policy.yaml: quotas.*.service must look like run.googleapis.com, and quotas.*.quota like CpuAllocPerProjectRegion; correct them."
  }
  validation {
    condition     = alltrue([for quota in values(var.policy.quotas) : quota.value >= 0 && floor(quota.value) == quota.value])
    error_message = "environments/${var.environment}/policy.yaml: quotas.*.value must be a whole number from 0; correct it."
  }
  validation {
    condition     = try(can(regex("^[A-Z][A-Z0-9_]+$", var.policy.counters.node)) && contains(range(1, 251), var.policy.counters.shards) && contains(range(0, 6), var.policy.counters.replicas), true) || var.policy.counters == null
    error_message = "environments/${var.environment}/policy.yaml: counters.node must look like SHARED_CORE_NANO, shards be from 1 to 250 and replicas from 0 to 5; correct them."
  }
  validation {
    condition     = try(can(cidrhost(var.policy.counters.cidr, 0)), true) || var.policy.counters == null
    error_message = "environments/${var.environment}/policy.yaml: counters.cidr must be a range of addresses; write it like 10.80.0.0/24."
  }
  validation {
    condition     = try(contains(["full", "limited"], var.policy.firebase.auth), true) || var.policy.firebase == null
    error_message = "environments/${var.environment}/policy.yaml: firebase.auth is not known; choose full or limited, or remove firebase."
  }
  validation {
    condition     = try(can(regex("^[0-9]+$", var.policy.delivery.repository_id)) && can(regex("^[0-9]+$", var.policy.delivery.owner_id)), true) || var.policy.delivery == null
    error_message = "environments/${var.environment}/policy.yaml: delivery.repository_id and delivery.owner_id are GitHub's numbers, in quotes; gh api repos/OWNER/NAME shows them."
  }
  validation {
    condition     = try(can(regex("^[A-Za-z0-9._/-]+$", var.policy.delivery.branch)), true) || var.policy.delivery == null
    error_message = "environments/${var.environment}/policy.yaml: delivery.branch must be the name of a branch; write it like main."
  }
  validation {
    condition     = try(var.policy.delivery.tests, null) == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.policy.delivery.tests))
    error_message = "environments/${var.environment}/policy.yaml: delivery.tests must have 6 to 30 lower case letters, digits and hyphens; write it like github-actions."
  }
  validation {
    condition     = var.policy.alerts.rotation_days >= 1 && var.policy.alerts.rotation_days <= 3650 && floor(var.policy.alerts.rotation_days) == var.policy.alerts.rotation_days
    error_message = "environments/${var.environment}/policy.yaml: alerts.rotation_days must be a whole number from 1 to 3650; correct it."
  }
  validation {
    condition     = try(var.policy.delivery.state_bucket != null || var.policy.delivery.state_project == null, true)
    error_message = "environments/${var.environment}/policy.yaml: delivery.state_project is the project of state_bucket; name that as well."
  }
  validation {
    condition     = var.policy.firebase == null || contains(["production", "staging"], var.policy.environment)
    error_message = "environments/${var.environment}/policy.yaml: firebase: ${var.policy.environment} uses the emulator or mocks; remove it."
  }
  validation {
    condition     = var.policy.openai == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$", var.policy.openai.model)) && try(can(regex("^proj_[A-Za-z0-9_-]+$", var.policy.openai.project)) || var.policy.openai.project == null, false)
    error_message = "environments/${var.environment}/policy.yaml: openai.model must be written like gpt-4, and openai.project like proj_abc; correct them."
  }
  validation {
    condition     = var.policy.openai == null ? true : alltrue([for number in [var.policy.openai.max_tokens, var.policy.openai.requests_per_minute] : number >= 1 && number <= 1000000 && floor(number) == number])
    error_message = "environments/${var.environment}/policy.yaml: openai.max_tokens and openai.requests_per_minute must be whole numbers from 1 to 1000000; correct them."
  }
  validation {
    condition     = var.policy.openai == null ? true : var.policy.openai.monthly_budget > 0
    error_message = "environments/${var.environment}/policy.yaml: openai.monthly_budget must be above zero; correct it."
  }
  validation {
    condition     = var.policy.openai == null ? true : (var.policy.openai.temperature == null ? true : var.policy.openai.temperature >= 0 && var.policy.openai.temperature <= 2)
    error_message = "environments/${var.environment}/policy.yaml: openai.temperature must be from 0 to 2; correct it."
  }
  validation {
    condition     = var.policy.openai == null ? true : length(setintersection(["openai-api-key", "test-api-keys"], keys(var.policy.secrets))) > 0
    error_message = "environments/${var.environment}/policy.yaml: openai: its key is in no secret; add secrets.openai-api-key (in ci test-api-keys)."
  }
  validation {
    condition     = var.policy.neo4j == null ? true : can(regex("^(neo4j|bolt)(\\+s|\\+ssc)?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$", var.policy.neo4j.uri))
    error_message = "environments/${var.environment}/policy.yaml: neo4j.uri must name a scheme, a host and perhaps a port; write it like neo4j+s://prod-cluster.neo4j.io."
  }
  validation {
    condition     = var.policy.neo4j == null ? true : (var.policy.neo4j.user == null) == (var.policy.neo4j.password == null)
    error_message = "environments/${var.environment}/policy.yaml: neo4j needs user and password together; without both, secrets.neo4j-credentials is read."
  }
  validation {
    condition     = var.policy.neo4j == null ? true : alltrue([for text in compact([var.policy.neo4j.user, var.policy.neo4j.password]) : can(regex("^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$", text))])
    error_message = "environments/${var.environment}/policy.yaml: neo4j.user and neo4j.password may hold letters, digits and . _ : / @ + -; correct them."
  }
  validation {
    condition     = var.policy.neo4j == null ? true : var.policy.neo4j.password == null || can(regex("^[a-z0-9+]+://([A-Za-z0-9-]+|127\\.0\\.0\\.1)(:[0-9]+)?$", var.policy.neo4j.uri))
    error_message = "environments/${var.environment}/policy.yaml: neo4j.password: a policy holds no secrets, and other machines can reach this database; remove user and password, and put them into secrets.neo4j-credentials."
  }
  validation {
    condition     = var.policy.neo4j == null ? true : var.policy.neo4j.user != null || contains(keys(var.policy.secrets), "neo4j-credentials")
    error_message = "environments/${var.environment}/policy.yaml: neo4j: its user and password are in no secret; add secrets.neo4j-credentials."
  }
  validation {
    condition     = var.policy.neo4j == null ? true : var.policy.environment != "production" || can(regex("^(neo4j|bolt)\\+s://", var.policy.neo4j.uri))
    error_message = "environments/${var.environment}/policy.yaml: neo4j.uri: production's data must travel encrypted; write neo4j+s:// or bolt+s://."
  }
  validation {
    condition     = var.policy.local_llm == null ? true : can(regex("^https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*$", var.policy.local_llm.endpoint)) && can(regex("^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$", var.policy.local_llm.model))
    error_message = "environments/${var.environment}/policy.yaml: local_llm.endpoint must look like http://localhost:11434, and local_llm.model like llama2; correct them."
  }
  validation {
    condition     = var.policy.emulators == null ? true : (var.policy.emulators.project == null || can(regex("^demo-[a-z0-9-]{1,24}[a-z0-9]$", var.policy.emulators.project))) && alltrue([for at in compact([var.policy.emulators.firestore, var.policy.emulators.auth]) : can(regex("^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$", at))])
    error_message = "environments/${var.environment}/policy.yaml: emulators.project must begin with demo-, and emulators.firestore and emulators.auth look like localhost:8080; correct them."
  }
  validation {
    condition     = !contains(["production", "staging"], var.policy.environment) || (var.policy.emulators == null && var.policy.local_llm == null && var.policy.mocks == null)
    error_message = "environments/${var.environment}/policy.yaml: emulators, local_llm, mocks: ${var.policy.environment} serves people, with the real thing; remove them."
  }
  validation {
    condition     = var.policy.env_file == null ? true : length(var.policy.env_file.age) > 0 || var.policy.env_file.kms != null
    error_message = "environments/${var.environment}/policy.yaml: env_file needs age or kms, or nobody could read the file; write one, or remove it."
  }
  validation {
    condition     = var.policy.env_file == null ? true : alltrue([for key in var.policy.env_file.age : can(regex("^age1[a-z0-9]{20,}$", key))]) && (var.policy.env_file.kms == null || can(regex("^projects/[a-z0-9-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+$", var.policy.env_file.kms)))
    error_message = "environments/${var.environment}/policy.yaml: env_file.age must hold public keys of age, and env_file.kms the name of a key like projects/P/locations/L/keyRings/R/cryptoKeys/K; correct them."
  }
  validation {
    condition     = var.policy.openai == null ? true : alltrue([for scope in var.policy.openai.scopes : can(regex("^[a-z][a-z0-9_.:-]{1,99}$", scope))])
    error_message = "environments/${var.environment}/policy.yaml: openai.scopes must be written like api.model.request; correct them."
  }
  validation {
    condition     = var.policy.openai == null ? true : (var.policy.openai.key_days == null ? true : contains(range(1, 366), var.policy.openai.key_days))
    error_message = "environments/${var.environment}/policy.yaml: openai.key_days must be a whole number from 1 to 365; correct it."
  }
  validation {
    condition     = try(var.policy.openai.key_days, null) == null ? true : alltrue([for name, secret in var.policy.secrets : var.policy.openai.key_days >= secret.rotation_days + 8 if contains(["openai-api-key", "test-api-keys"], name)])
    error_message = "environments/${var.environment}/policy.yaml: openai.key_days: a key would end before it is rotated; write eight days more than rotation_days, or more."
  }
  validation {
    condition     = var.policy.gateway == null || var.policy.openai != null
    error_message = "environments/${var.environment}/policy.yaml: openai is missing; gateway needs its limits and its budget: add it."
  }
  validation {
    condition     = var.policy.gateway == null ? true : alltrue([for rule in [[var.policy.gateway.tokens_per_minute == null ? 1 : var.policy.gateway.tokens_per_minute, 1, 1000000000], [var.policy.gateway.seconds, 1, 3600], [var.policy.gateway.lease_margin_seconds, 1, 3600], [var.policy.gateway.retries, 0, 5], [var.policy.gateway.body_kilobytes, 1, 65536], [var.policy.gateway.gather_milliseconds, 0, 100], [var.policy.gateway.cache.seconds, 0, 2592000], [var.policy.gateway.cache.megabytes, 1, 4096]] : rule[0] >= rule[1] && rule[0] <= rule[2] && floor(rule[0]) == rule[0]])
    error_message = "environments/${var.environment}/policy.yaml: gateway: tokens_per_minute is 1 to 1000000000, seconds and lease_margin_seconds 1 to 3600, retries 0 to 5, body_kilobytes 1 to 65536, gather_milliseconds 0 to 100, cache.seconds 0 to 2592000, cache.megabytes 1 to 4096, all whole numbers; correct them."
  }
  validation {
    condition     = var.policy.gateway == null ? true : alltrue([for name in concat(keys(var.policy.gateway.providers), keys(var.policy.gateway.tasks), [for model in values(var.policy.gateway.models) : model.provider]) : can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", name))]) && alltrue([for name in keys(var.policy.gateway.models) : can(regex("^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$", name))])
    error_message = "environments/${var.environment}/policy.yaml: gateway: providers and tasks are named in lower case letters, digits and hyphens, models like gpt-4; correct them."
  }
  validation {
    condition     = var.policy.gateway == null ? true : alltrue([for network in var.policy.gateway.guarded_networks : try(strcontains(network, ":") || cidrhost(network, 0) == split("/", network)[0], false) && can(cidrhost(network, 0))])
    error_message = "environments/${var.environment}/policy.yaml: gateway.guarded_networks holds ranges that begin at their own first address; write them like 10.8.0.0/28."
  }
  validation {
    condition     = var.policy.gateway == null ? true : length(setintersection(["openai", "local", "mock"], keys(var.policy.gateway.providers))) == 0 && !contains(keys(var.policy.gateway.models), "auto")
    error_message = "environments/${var.environment}/policy.yaml: gateway: the providers openai, local and mock and the model auto are there already; choose other names."
  }
  validation {
    condition     = var.policy.gateway == null ? true : alltrue([for provider in values(var.policy.gateway.providers) : can(regex("^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*$", provider.endpoint)) && (provider.secret == null ? true : contains(keys(var.policy.secrets), provider.secret))])
    error_message = "environments/${var.environment}/policy.yaml: gateway.providers: an endpoint must look like https://host/v1, and its secret be in secrets; correct them."
  }
  validation {
    condition     = var.policy.gateway == null ? true : alltrue([for model in values(var.policy.gateway.models) : contains(concat(["openai"], keys(var.policy.gateway.providers)), model.provider) && alltrue([for other in model.fallbacks : try(!var.policy.gateway.models[other].embeddings, false)]) && !(model.embeddings && length(model.fallbacks) > 0)])
    error_message = "environments/${var.environment}/policy.yaml: gateway.models: a provider must be openai or in gateway.providers, fallbacks be in gateway.models, and embeddings have none; correct them."
  }
  validation {
    condition     = var.policy.gateway == null ? true : alltrue([for number in concat(values(var.policy.gateway.tasks), [for model in values(var.policy.gateway.models) : model.quality]) : number >= 0 && number <= 100 && floor(number) == number])
    error_message = "environments/${var.environment}/policy.yaml: gateway: a quality is a whole number from 0 to 100; correct it."
  }
  validation {
    condition     = var.policy.gateway == null ? true : length(var.policy.gateway.models) == 0 || alltrue([for floor in values(var.policy.gateway.tasks) : floor <= max(concat([for model in values(var.policy.gateway.models) : model.quality if !model.embeddings], [length([for model in values(var.policy.gateway.models) : model if !model.embeddings]) == 0 ? 100 : 0])...)])
    error_message = "environments/${var.environment}/policy.yaml: gateway.tasks: no model is as good as a task needs it; lower it, or add a model."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : contains([for name, target in var.policy.services : name if target.region == null || target.region == var.policy.region], var.policy.gateway.service.name)
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.name is not in services, or in another region; add it there: night and cap go by it."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : can(regex("^[a-z0-9][a-z0-9.-]*(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$", var.policy.gateway.service.image))
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.image must be named by its digest: a tag can become another image; write REGISTRY/PATH@sha256:… as the build prints it."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : contains(["internal", "load-balancer", "all"], var.policy.gateway.service.ingress)
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.ingress must be internal, load-balancer or all; correct it."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : contains(range(0, 101), var.policy.gateway.service.minimum) && contains(range(1, 1001), var.policy.gateway.service.maximum) && var.policy.gateway.service.minimum <= var.policy.gateway.service.maximum && contains(range(1, 1001), var.policy.gateway.service.concurrency)
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.minimum must be from 0 to 100 and not above maximum, maximum and concurrency from 1 to 1000; correct them."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : alltrue([for who in var.policy.gateway.service.invokers : can(regex("^(application|allUsers|(serviceAccount|group|user):[^@ ]+@[^@ ]+[.][a-z]+)$", who))])
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.invokers must be application, members like group:testers@example.com, or allUsers; correct them."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : var.policy.counters != null
    error_message = "environments/${var.environment}/policy.yaml: counters is missing; instances of gateway.service count money together: add it."
  }
  validation {
    condition     = try(var.policy.gateway.service, null) == null ? true : var.policy.application != null || !contains(var.policy.gateway.service.invokers, "application")
    error_message = "environments/${var.environment}/policy.yaml: application is missing; gateway.service.invokers speaks of it: add it, or name others."
  }
}
