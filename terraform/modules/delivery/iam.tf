# SPDX-License-Identifier: Apache-2.0

locals {
  _role_grants = flatten([
    for account, roles in local.roles : [for role in roles : { account = account, role = role }]
  ])
  role_grants = { for grant in local._role_grants : "${grant.account} ${grant.role}" => grant }

  custom_grants = {
    "apply reader" = { account = "apply", role = "reader" }
    "apply writer" = { account = "apply", role = "writer" }
    "plan reader"  = { account = "plan", role = "reader" }
  }

  # What the modules functions, state and billing_export grant on the whole project, and nothing
  # that could grant more.
  _custom = "projects/${var.project_id}/roles/${replace(var.name, "-", "_")}"
  grantable = sort(concat(
    [
      "${local._custom}_billing_unlinker",
      "${local._custom}_watcher",
      "roles/bigquery.jobUser",
      "roles/datastore.user",
      "roles/logging.logWriter",
      "roles/memorystore.dbConnectionUser",
      "roles/storage.objectViewer",
    ],
    tolist(var.grants),
  ))

  bucket_roles  = { apply = "roles/storage.admin", plan = "roles/storage.objectViewer" }
  _bucket_pairs = setproduct(keys(var.buckets), keys(local.bucket_roles))
  bucket_grants = {
    for pair in local._bucket_pairs :
    "${pair[1]} ${pair[0]}" => { bucket = pair[0], account = pair[1] }
  }
}

resource "google_project_iam_member" "role" {
  for_each = local.role_grants

  project = var.project_id
  role    = each.value.role
  member  = local.members[each.value.account]
}

resource "google_project_iam_member" "custom" {
  for_each = local.custom_grants

  project = var.project_id
  role    = local.role_names[each.value.role]
  member  = local.members[each.value.account]
}

# Without the condition this role is as good as Owner.
resource "google_project_iam_member" "grants" {
  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = local.members["apply"]

  condition {
    title       = "only what the modules grant"
    description = "Roles that terraform/modules grant on the project."
    expression = join("", [
      "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['",
      join("', '", local.grantable),
      "'])",
    ])
  }
}

# On the named accounts, never on the project: who acts as an account has what the account has.
resource "google_service_account_iam_member" "acts_as" {
  for_each = var.acts_as

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.value}"
  role               = "roles/iam.serviceAccountUser"
  member             = local.members["apply"]
}

resource "google_storage_bucket_iam_member" "bucket" {
  for_each = local.bucket_grants

  bucket = var.buckets[each.value.bucket]
  role   = local.bucket_roles[each.value.account]
  member = local.members[each.value.account]
}
