# SPDX-License-Identifier: Apache-2.0
# What apply and plan may do besides what is the same everywhere.

variable "acts_as" {
  description = "E-mails of the accounts that what is deployed runs as, by what they are for; apply may act as these and no others."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for email in values(var.acts_as) :
      endswith(email, "@${var.project_id}.iam.gserviceaccount.com") && !startswith(email, "@")
    ])
    error_message = "acts_as must hold accounts made in the project, like functions@${var.project_id}.iam.gserviceaccount.com: Google's default accounts and another project's are not for a pipeline."
  }
}

variable "buckets" {
  description = "Names of the buckets that Terraform manages in the project, by what they are for: plan reads them and their objects, apply changes them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for bucket in values(var.buckets) : can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", bucket))
    ])
    error_message = "buckets must hold names without gs://, like living-twin-staging-source; got ${join(", ", values(var.buckets))}."
  }
}

variable "grants" {
  description = "Roles on the project that apply may grant besides those of the modules functions, state and billing_export."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for role in var.grants :
      can(regex("^(roles|projects/[a-z0-9-]+/roles)/[A-Za-z0-9_.]+$", role))
    ])
    error_message = "grants must hold names like roles/firebaseauth.admin or projects/PROJECT/roles/ID; got ${join(", ", var.grants)}."
  }
  validation {
    condition = alltrue([
      for role in var.grants : !can(regex("^roles/(iam|resourcemanager|secretmanager)\\.", role))
    ])
    error_message = "grants cannot hold a role of iam, resourcemanager or secretmanager: with it apply could give itself everything; let a person grant it."
  }
  validation {
    condition     = alltrue([for role in var.grants : !can(regex("^roles/[a-z]+$", role))])
    error_message = "grants cannot hold a basic role like roles/editor, which is nearly everything; name the few that are needed."
  }
  validation {
    condition     = length(var.grants) <= 3
    error_message = "grants can hold 3 roles: Google takes lists of ten in a condition, and seven are the modules' own."
  }
}

variable "may_change_trust" {
  description = "Apply may also change custom roles and the identity pool, with which it could widen itself; otherwise a person applies those changes."
  type        = bool
  default     = false
  nullable    = false
}
