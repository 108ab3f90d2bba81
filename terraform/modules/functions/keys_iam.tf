# SPDX-License-Identifier: Apache-2.0
# Who rotates keys, on the policy's secrets one by one. Values are read only of keys that an API
# makes: to verify them, and to know whose they are. What a person made is moved, never read.

locals {
  _keeper = [
    "secretmanager.secrets.get",
    "secretmanager.secrets.update",
    "secretmanager.versions.destroy",
    "secretmanager.versions.disable",
    "secretmanager.versions.get",
    "secretmanager.versions.list",
  ]
  _rotating_roles = {
    api_key_rotator = var.rotates_api_keys
    secret_keeper   = anytrue([for secret in values(var.rotated_secrets) : !secret.made])
    secret_rotator  = anytrue([for secret in values(var.rotated_secrets) : secret.made])
  }
  _rotators = ["on-schedule", "on-secret-event"]

  _rotations = flatten([
    for name, secret in var.rotated_secrets : [
      for rotator in local._rotators : {
        name    = name
        id      = secret.id
        role    = secret.made ? "secret_rotator" : "secret_keeper"
        rotator = rotator
      }
    ]
  ])
  rotations = { for rotation in local._rotations : "${rotation.rotator} ${rotation.name}" => rotation }
}

resource "google_secret_manager_secret_iam_member" "rotator" {
  for_each = local.rotations

  project   = var.project_id
  secret_id = each.value.id
  role      = local.role_names[each.value.role]
  member    = local.members[each.value.rotator]
}

# Keys of Google's APIs have no policy of their own, so this one is the project's.
resource "google_project_iam_member" "api_key_rotator" {
  for_each = toset(var.rotates_api_keys ? local._rotators : [])

  project = var.project_id
  role    = local.role_names["api_key_rotator"]
  member  = local.members[each.value]
}
