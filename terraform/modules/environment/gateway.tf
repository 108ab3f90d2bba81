# SPDX-License-Identifier: Apache-2.0
# The gateway to language models: what it tells of calls, and itself where the policy deploys it.

locals {
  _gateways = { for gateway in var.policy.gateway[*] : "gateway" => gateway.service if gateway.service != null }

  # Of the one output: through the module as a whole, its account would wait for its service.
  accounts_of_gateway = length(local._gateways) == 0 ? {} : { gateway = module.gateway["gateway"].account }

  # As llm_policy.py has it: OpenAI's key, and those of other providers, as far as they are kept.
  _provider_secrets = merge(
    { openai = "openai-api-key" },
    { for name, provider in try(var.policy.gateway.providers, {}) : name => provider.secret if provider.secret != null },
  )
  secrets_of_gateway = {
    for provider, secret in local._provider_secrets : provider => secret
    if length(local._gateways) > 0 && contains(keys(var.policy.secrets), secret)
  }

  # What customers' keys are digested with; whoever else reads it is named under secrets.
  _peppers = length(local._gateways) == 0 ? {} : {
    key-pepper = { readers = [], rotation_days = var.policy.alerts.rotation_days, destroy_ttl_days = 30 }
  }
  _read_by_gateway = concat(values(local.secrets_of_gateway), keys(local._peppers))
}

module "gateway" {
  source   = "../gateway"
  for_each = local._gateways

  counters = {
    certificates = local.counters.certificates
    network      = local.counters.network.network
    subnetwork   = local.counters.network.subnetwork
    url          = local.counters.url
  }
  deletion_protection = var.policy.project.protected
  environment         = var.policy.environment
  invokers            = { for who in each.value.invokers : who => who == "application" ? "serviceAccount:${module.keys.service_account_email}" : who }
  labels              = local.labels
  name                = local.name
  pepper_secret       = module.keys.secret_ids["key-pepper"]
  policy_json         = jsonencode(local.policy)
  project_id          = module.project.id
  provider_secrets    = { for provider, secret in local.secrets_of_gateway : provider => module.keys.secret_ids[secret] }
  records_url         = module.state.records_url
  region              = var.policy.region
  seconds             = var.policy.gateway.seconds
  service             = each.value
  usage_topic         = module.usage["gateway"].topic
}

module "usage" {
  source   = "../usage"
  for_each = var.policy.gateway == null ? {} : { gateway = var.policy.gateway }

  days                = var.policy.retention.history_days
  deletion_protection = var.policy.project.protected
  environment         = var.policy.environment
  labels              = local.labels
  name                = local.name
  project_id          = module.project.id
  publishers          = length(local._gateways) > 0 ? local.accounts_of_gateway : local.accounts_of_application
  pubsub_agent        = module.functions.pubsub_agent
  region              = var.policy.region
}
