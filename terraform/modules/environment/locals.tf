# SPDX-License-Identifier: Apache-2.0

locals {
  # The one place that decides names: policy.py never puts anything called twinguard-* to sleep.
  prefix = "twinguard"
  name   = "${local.prefix}-${var.policy.environment}"
  labels = merge(var.policy.labels, { environment = var.policy.environment, managed-by = "terraform" })

  accounts_of_application = var.policy.application == null ? {} : {
    application = module.keys.service_account_email
  }

  # As config.render writes it. Terraform reads a bare date as midnight of that day.
  policy = merge(var.policy, {
    schedule = var.policy.schedule == null ? null : merge(var.policy.schedule, {
      skip = [for day in var.policy.schedule.skip : substr(day, 0, 10)]
    })
  })

  _services_of_blocks = {
    "apikeys.googleapis.com"                   = length(var.policy.api_keys) > 0
    "bigquery.googleapis.com"                  = try(var.policy.billing_export.create || var.policy.billing_export.connected, false)
    "cloudquotas.googleapis.com"               = length(var.policy.quotas) > 0
    "compute.googleapis.com"                   = var.policy.counters != null
    "firebase.googleapis.com"                  = var.policy.firebase != null
    "identitytoolkit.googleapis.com"           = var.policy.firebase != null
    "memorystore.googleapis.com"               = var.policy.counters != null
    "networkconnectivity.googleapis.com"       = var.policy.counters != null
    "serviceconsumermanagement.googleapis.com" = var.policy.counters != null
    "sts.googleapis.com"                       = var.policy.delivery != null
  }
  services = toset(concat(values(var.policy.quotas)[*].service, [for service, wanted in local._services_of_blocks : service if wanted], [
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
  ]))
}

# --- channels to people ----------------------------------------------------------------------------

locals {
  # What a channel cannot do without (a test compares it with functions/twinguard/notify), and what
  # it takes besides. SECURITY_EMAIL comes from alerts.contacts; everything else is in Secret Manager.
  required_settings = {
    email     = ["SMTP_HOST", "SMTP_PASSWORD", "SMTP_USER"]
    pagerduty = ["PAGERDUTY_INTEGRATION_KEY"]
    slack     = ["SLACK_WEBHOOK_URL"]
    sms       = ["SECURITY_PHONE", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"]
  }
  optional_settings = ["PAGERDUTY_EVENTS_URL", "PAGERDUTY_SERVICE_ID", "SLACK_CHANNEL", "SMTP_FROM", "SMTP_PORT", "TWILIO_API_URL"]
  settings          = sort(concat(flatten(values(local.required_settings)), local.optional_settings))

  _routed = distinct(flatten(values(var.policy.alerts.routes)))
  _versions = merge(
    { for setting in flatten([for channel in local._routed : local.required_settings[channel]]) : setting => 1 },
    var.policy.alerts.versions,
  )
  _secret_names = { for setting in keys(local._versions) : setting => lower(replace(setting, "_", "-")) }

  _secrets_of_channels = {
    for setting, name in local._secret_names : name => {
      readers          = ["serviceAccount:${module.functions.accounts["dispatch-alert"]}"]
      rotation_days    = var.policy.alerts.rotation_days
      destroy_ttl_days = 30
    }
  }
  _secrets_of_application = {
    for name, secret in var.policy.secrets : name => merge(secret, {
      readers = [for reader in secret.readers : reader == "tests" ? "serviceAccount:${module.delivery["github"].accounts["tests"]}" : reader]
    })
  }
  secrets = merge(local._secrets_of_channels, local._secrets_of_application)
  channel_secrets = {
    for setting, name in local._secret_names : setting => {
      secret  = module.keys.secret_ids[name]
      version = tostring(local._versions[setting])
    }
  }
  channel_settings = contains(local._routed, "email") ? {
    SECURITY_EMAIL = join(",", var.policy.alerts.contacts)
  } : {}
}

# --- what may be held, and by which function -------------------------------------------------------

locals {
  _scheduled_services      = var.policy.schedule == null ? [] : var.policy.schedule.services
  _scheduled_subscriptions = var.policy.schedule == null ? [] : var.policy.schedule.subscriptions

  # Critical ones are never held by the budget, so its function is not allowed to.
  _service_holders = {
    for name, target in var.policy.services : name => concat(
      target.critical ? [] : ["on-budget-alert"],
      contains(local._scheduled_services, name) ? ["on-schedule"] : [],
    )
  }
  _subscription_holders = {
    for name, target in var.policy.subscriptions : name => concat(
      target.critical ? [] : ["on-budget-alert"],
      contains(local._scheduled_subscriptions, name) ? ["on-schedule"] : [],
    )
  }

  held_services = {
    for name, target in var.policy.services : name => {
      account  = target.account
      holders  = local._service_holders[name]
      location = coalesce(target.region, var.policy.region)
    }
  }
  held_subscriptions = {
    for name, target in var.policy.subscriptions : name => {
      account = target.account
      holders = local._subscription_holders[name]
    }
  }
}
