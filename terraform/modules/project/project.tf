# SPDX-License-Identifier: Apache-2.0
# A project is adopted unless its creation is asked for. An adopted one is changed in two ways only:
# services are turned on, and its default service accounts lose the Editor role.

locals {
  id     = var.project.create ? google_project.created[var.project.id].project_id : var.project.id
  number = var.project.create ? google_project.created[var.project.id].number : data.google_project.adopted[var.project.id].number

  _adopted = var.project.create ? [] : [var.project.id]
  _created = var.project.create ? [var.project.id] : []
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
}

resource "google_project_service" "enabled" {
  for_each = var.services

  project            = local.id
  service            = each.value
  disable_on_destroy = false
}

# Deprivileged, not disabled: whatever still starts as one of these accounts keeps starting, but
# may no longer edit the whole project. Giving the role back is one command; a deleted account is
# lost after 30 days. Destroying this resource gives nothing back.
resource "google_project_default_service_accounts" "default" {
  project = local.id
  action  = "DEPRIVILEGE"

  depends_on = [google_project_service.enabled]
}
