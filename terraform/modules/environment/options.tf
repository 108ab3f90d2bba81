# SPDX-License-Identifier: Apache-2.0
# What an environment may have besides: each is there where its block stands in the policy.

module "quotas" {
  source = "../quotas"

  environment = var.policy.environment
  project_id  = module.project.id
  quotas      = { for key, quota in var.policy.quotas : "${local.name}-${key}" => quota }
}

module "delivery" {
  source   = "../delivery"
  for_each = var.policy.delivery == null ? {} : { github = var.policy.delivery }

  acts_as         = merge(module.functions.accounts, local.accounts_of_gateway)
  billing_account = var.policy.billing_account
  buckets         = { source = module.functions.source_bucket }
  environment     = var.policy.environment
  name            = local.name
  project_id      = module.project.id
  project_number  = module.project.number
  repository      = { id = each.value.repository_id, owner_id = each.value.owner_id, branch = each.value.branch }
  state_bucket    = each.value.state_bucket
  state_project   = each.value.state_project
  tests           = each.value.tests
}

module "firebase" {
  source   = "../firebase"
  for_each = var.policy.firebase == null ? {} : { firebase = var.policy.firebase }

  application_account = module.keys.service_account_email
  environment         = var.policy.environment
  firebase            = each.value
  prefix              = local.prefix
  project_id          = module.project.id
}

module "billing_export" {
  source   = "../billing_export"
  for_each = try(var.policy.billing_export.create, false) ? { export = var.policy.billing_export } : {}

  billing_account = var.policy.billing_account
  environment     = var.policy.environment
  export          = each.value
  labels          = local.labels
  project_id      = module.project.id
  readers         = each.value.readers
  viewers         = each.value.connected ? { on-schedule = module.functions.accounts["on-schedule"] } : {}
  view_sql        = file("${path.module}/../../../functions/twinguard/billing/costs.sql")
}
