# SPDX-License-Identifier: Apache-2.0
# What may be done to the application, with exactly the permissions that functions/twinguard/act
# calls (a test compares them) and on the named resources wherever the API knows such a grant.
# The resources themselves are the application's: nothing of them is managed here, and they must
# exist before they can be granted on.

locals {
  _permissions = {
    service_holder      = ["run.services.get", "run.services.update"]
    subscription_holder = ["pubsub.subscriptions.get", "pubsub.subscriptions.update"]
    watcher             = ["monitoring.timeSeries.list", "run.operations.get"]
    actor               = ["iam.serviceAccounts.actAs"]
    billing_unlinker    = ["resourcemanager.projects.deleteBillingAssignment", "resourcemanager.projects.get"]
    secret_keeper       = local._keeper
    secret_rotator      = concat(local._keeper, ["secretmanager.versions.access", "secretmanager.versions.add"])
    api_key_rotator = [
      for verb in ["create", "delete", "get", "getKeyString", "list"] : "apikeys.keys.${verb}"
    ]
  }
  roles = {
    for name, permissions in local._permissions : name => permissions
    if(name != "billing_unlinker" || var.may_unlink)
    && (name != "actor" || length(local.actors) > 0)
    && lookup(local._rotating_roles, name, true)
  }

  _service_grants = flatten([
    for name, target in var.services : [
      for holder in target.holders : { target = name, holder = holder, location = target.location }
    ]
  ])
  service_grants = { for grant in local._service_grants : "${grant.holder} ${grant.target}" => grant }

  _subscription_grants = flatten([
    for name, target in var.subscriptions : [
      for holder in target.holders : { target = name, holder = holder }
    ]
  ])
  subscription_grants = {
    for grant in local._subscription_grants : "${grant.holder} ${grant.target}" => grant
  }

  _actors = flatten([
    for target in concat(values(var.services), values(var.subscriptions)) : [
      for holder in target.holders : { holder = holder, account = target.account }
      if target.account != null
    ]
  ])
  actors = { for actor in distinct(local._actors) : "${actor.holder} ${actor.account}" => actor }
}

# After the role, and yet known before it is there.
locals {
  role_names = {
    for name, role in google_project_iam_custom_role.role :
    name => "projects/${var.project_id}/roles/${role.role_id}"
  }
}

resource "google_project_iam_custom_role" "role" {
  for_each = local.roles

  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_${each.key}"
  title       = "${var.name} ${replace(each.key, "_", " ")}"
  description = "Exactly what Twinguard's functions call; see terraform/modules/functions."
  permissions = each.value
}

resource "google_cloud_run_v2_service_iam_member" "holder" {
  for_each = local.service_grants

  project  = var.project_id
  location = each.value.location
  name     = each.value.target
  role     = local.role_names["service_holder"]
  member   = local.members[each.value.holder]
}

resource "google_pubsub_subscription_iam_member" "holder" {
  for_each = local.subscription_grants

  project      = var.project_id
  subscription = each.value.target
  role         = local.role_names["subscription_holder"]
  member       = local.members[each.value.holder]
}

# Operations and metrics have no policy of their own, so these two are the project's.
resource "google_project_iam_member" "watcher" {
  for_each = toset(["on-budget-alert", "on-schedule"])

  project = var.project_id
  role    = local.role_names["watcher"]
  member  = local.members[each.value]
}

# Who restores a push must act as the account that it pushes as. Together with
# run.services.update this would let a function run anything as that account, so it is given only
# where the policy names the account.
resource "google_service_account_iam_member" "actor" {
  for_each = local.actors

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value.account}"
  role               = local.role_names["actor"]
  member             = local.members[each.value.holder]
}

# Queries are paid for here; what they read is granted on the export's dataset, wherever it is.
resource "google_project_iam_member" "costs" {
  for_each = toset(var.costs == "" ? [] : ["on-schedule"])

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = local.members[each.value]
}

resource "google_project_iam_member" "billing_unlinker" {
  for_each = toset(var.may_unlink ? ["on-budget-alert"] : [])

  project = var.project_id
  role    = local.role_names["billing_unlinker"]
  member  = local.members[each.value]
}
