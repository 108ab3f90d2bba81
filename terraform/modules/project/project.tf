# SPDX-License-Identifier: Apache-2.0
# A project is adopted unless its creation is asked for. An adopted one is changed in two ways only:
# services are turned on, and its default service accounts are turned off, or lose their roles.

locals {
  id     = var.project.create ? google_project.created[var.project.id].project_id : var.project.id
  number = var.project.create ? google_project.created[var.project.id].number : data.google_project.adopted[var.project.id].number

  _adopted = var.project.create ? [] : [var.project.id]
  _created = var.project.create ? [var.project.id] : []

  # On destroy a disabled account is enabled again, and it is an error if that fails. Roles are not
  # given back, whatever is written here: the provider does not keep them.
  _actions = {
    disable     = { action = "DISABLE", restore = "REVERT" }
    deprivilege = { action = "DEPRIVILEGE", restore = "NONE" }
  }
  _default_accounts = {
    for name, action in local._actions : name => action if name == var.project.default_accounts
  }
}

# The only data source of these modules: a project's number is written down nowhere else.
data "google_project" "adopted" {
  for_each = toset(local._adopted)

  project_id = each.value
}

resource "google_project" "created" {
  for_each = toset(local._created)

  project_id          = each.value
  name                = coalesce(var.project.name, each.value)
  org_id              = var.project.org_id
  folder_id           = var.project.folder_id
  billing_account     = var.billing_account
  labels              = var.labels
  auto_create_network = false
  deletion_policy     = "PREVENT"

  # The cap may unlink the project at run time, and a person links it again. An apply must not: it
  # would start the spending anew that the cap has just stopped.
  lifecycle {
    ignore_changes = [billing_account]
  }
}

resource "google_project_service" "enabled" {
  for_each = var.services

  project            = local.id
  service            = each.value
  disable_on_destroy = false
}

# Google makes these accounts with its services, and may give them the Editor role. This acts once,
# on those that are there: one that comes with a service turned on later keeps what Google gives it.
resource "google_project_default_service_accounts" "default" {
  for_each = local._default_accounts

  project        = local.id
  action         = each.value.action
  restore_policy = each.value.restore

  depends_on = [google_project_service.enabled]
}
