# SPDX-License-Identifier: Apache-2.0
# Channels to people: what each cannot do without, and the secrets that hold it.

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
    for name, secret in merge(local._peppers, var.policy.secrets) : name => merge(secret, {
      readers = concat(
        [for reader in secret.readers : reader == "tests" ? "serviceAccount:${module.delivery["github"].accounts["tests"]}" : reader],
        [for email in values(local.accounts_of_gateway) : "serviceAccount:${email}" if contains(local._read_by_gateway, name)],
      )
    })
  }
  secrets = merge(local._secrets_of_channels, local._secret_of_openai, local._secrets_of_application)
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

# --- which keys are rotated, and by whom -----------------------------------------------------------

locals {
  # As decide/keys.py has it: an OpenAI key where the project there is known, a Google key where the
  # secret has the name of one; everything else is renewed by a person.
  _openai_makes    = try(var.policy.openai.project, null) != null && contains(keys(var.policy.secrets), "openai-api-key")
  rotated_api_keys = setintersection(keys(var.policy.api_keys), keys(var.policy.secrets))
  rotated_secrets = {
    for name in keys(var.policy.secrets) : name => {
      id   = module.keys.secret_ids[name]
      made = contains(local.rotated_api_keys, name) || (local._openai_makes && name == "openai-api-key")
    }
  }

  _secret_of_openai = local._openai_makes ? {
    openai-admin-key = {
      readers          = [for name in ["on-schedule", "on-secret-event"] : "serviceAccount:${module.functions.accounts[name]}"]
      rotation_days    = var.policy.alerts.rotation_days
      destroy_ttl_days = 30
    }
  } : {}
  openai_admin_secret = local._openai_makes ? {
    secret  = module.keys.secret_ids["openai-admin-key"]
    version = "1"
  } : null
}
