# SPDX-License-Identifier: Apache-2.0
# One environment from its policy. Everything here is Twinguard's; of the application only its
# service account is made, and its services and subscriptions are granted on, never managed: their
# scaling and push settings belong to the runtime, and Terraform would undo a night or a morning.
# The gateway, where it is deployed from here, leaves its scaling to the runtime as well.

module "project" {
  source = "../project"

  billing_account = var.policy.billing_account
  labels          = local.labels
  project = {
    id               = var.policy.project.id
    create           = var.policy.project.create != null
    default_accounts = var.policy.project.default_accounts
    folder_id        = try(var.policy.project.create.folder, null)
    org_id           = try(var.policy.project.create.organisation, null)
  }
  services = local.services
}

module "keys" {
  source = "../keys"

  application_roles   = try(var.policy.application.roles, [])
  deletion_protection = var.policy.project.protected
  environment         = var.policy.environment
  labels              = local.labels
  prefix              = local.prefix
  project_id          = module.project.id
  project_number      = module.project.number
  region              = var.policy.region
  secrets             = local.secrets
  service_account     = try(var.policy.application.account, null)
}

module "state" {
  source = "../state"

  counters            = var.policy.counters
  counter_users       = merge(local.accounts_of_application, local.accounts_of_gateway, { on-usage = module.functions.accounts["on-usage"] })
  labels              = local.labels
  name                = local.name
  project_id          = module.project.id
  deletion_protection = var.policy.project.protected
  region              = var.policy.region
  users               = merge(local.users_of_functions, local.counters_in_records, local.accounts_of_gateway)
}

module "functions" {
  source = "../functions"

  budget_topic        = module.budgets.topic
  bundle              = "${var.bundle}/${one(fileset(var.bundle, "twinguard-*.zip"))}"
  channel_secrets     = local.channel_secrets
  channel_settings    = local.channel_settings
  counters            = local.counters
  costs               = try(var.policy.billing_export.connected, false) ? "bigquery://?project=${var.policy.project.id}" : ""
  environment         = var.policy.environment
  labels              = local.labels
  may_unlink          = var.may_unlink && var.policy.budget.cap.unlink_billing
  name                = local.name
  openai_admin_secret = local.openai_admin_secret
  policy_json         = jsonencode(local.policy)
  project_id          = module.project.id
  project_number      = module.project.number
  records_url         = module.state.records_url
  region              = var.policy.region
  reporters           = local.accounts_of_application
  rotated_secrets     = local.rotated_secrets
  rotates_api_keys    = length(local.rotated_api_keys) > 0
  schedule            = var.policy.schedule
  secret_topic        = "${local.name}-secret-events" # by its name: an id is known too late to plan with
  services            = local.held_services
  subscriptions       = local.held_subscriptions
}

module "observability" {
  source = "../observability"

  audit_days                = var.policy.retention.audit_days
  budget_topic              = module.budgets.topic
  contacts                  = var.policy.alerts.contacts
  dead_letter_subscriptions = module.functions.dead_letter_subscriptions
  environment               = var.policy.environment
  functions                 = module.functions.services
  labels                    = local.labels
  location                  = var.policy.region
  prefix                    = local.prefix
  project_id                = module.project.id
  services                  = keys(var.policy.services)
  subscriptions             = keys(var.policy.subscriptions)
  usage_dead_letters        = one(values(module.usage)[*].dead_letter_subscription)
}

module "budgets" {
  source = "../budgets"

  billing_account       = var.policy.billing_account
  budget                = var.policy.budget
  environment           = var.policy.environment
  labels                = local.labels
  name                  = local.name
  notification_channels = module.observability.notification_channel_ids
  project_id            = module.project.id
  project_number        = module.project.number
  shared                = var.policy.project.shared
}
