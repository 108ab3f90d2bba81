# SPDX-License-Identifier: Apache-2.0

locals {
  # The one place that decides names: policy.py never puts anything called twinguard-* to sleep.
  prefix = "twinguard"
  name   = "${local.prefix}-${var.policy.environment}"
  labels = merge(var.policy.labels, { environment = var.policy.environment, managed-by = "terraform" })

  accounts_of_application = var.policy.application == null ? {} : {
    application = module.keys.service_account_email
  }

  # Without a store of their own the counters are records, and the application follows its blocks.
  users_of_functions  = { for name in keys(module.functions.audiences) : name => module.functions.accounts[name] }
  counters_in_records = var.policy.counters == null ? local.accounts_of_application : {}

  counters = {
    url          = var.policy.counters == null ? module.state.records_url : "rediss://${coalesce(module.state.counters_address, "unknown.invalid")}:6379?cluster=true&iam=true"
    certificates = join("\n", module.state.counters_certificates)
    network      = try({ network = module.state.counters.network, subnetwork = module.state.counters.subnetwork }, null)
  }

  # As config.render writes it. Terraform reads a bare date as midnight of that day.
  policy = merge(var.policy, {
    schedule = var.policy.schedule == null ? null : merge(var.policy.schedule, {
      skip = [for day in var.policy.schedule.skip : substr(day, 0, 10)]
    })
  })

  _services_of_blocks = {
    "apikeys.googleapis.com"                   = length(var.policy.api_keys) > 0
    "bigquery.googleapis.com"                  = var.policy.gateway != null || try(var.policy.billing_export.create || var.policy.billing_export.connected, false)
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
      account = target.account
      holders = local._service_holders[name]
      # The gateway's own says that it is there: what is granted on it comes after it.
      location = name == try(local._gateways["gateway"].name, null) ? module.gateway["gateway"].location : coalesce(target.region, var.policy.region)
    }
  }
  held_subscriptions = {
    for name, target in var.policy.subscriptions : name => {
      account = target.account
      holders = local._subscription_holders[name]
    }
  }
}
