# SPDX-License-Identifier: Apache-2.0

variable "application_roles" {
  description = "Predefined roles that the application has on the whole project; what can be granted on one resource is granted there."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for role in var.application_roles : can(regex("^roles/[a-zA-Z]+(\\.[a-zA-Z]+)+$", role))])
    error_message = "environments/${var.environment}/policy.yaml: application.roles must be predefined roles, never roles/owner, roles/editor or roles/viewer; write them like roles/datastore.user."
  }
  validation {
    condition     = alltrue([for role in var.application_roles : !can(regex("(?i)(admin|owner)$", role))])
    error_message = "environments/${var.environment}/policy.yaml: application.roles must hold no role of an administrator or owner: a stolen key of the application would rule the project; write what it does, like roles/datastore.user."
  }
  validation {
    condition     = alltrue([for role in var.application_roles : !can(regex("^roles/(secretmanager\\.|pubsub\\.(publisher|editor)$|iam\\.)", role))])
    error_message = "environments/${var.environment}/policy.yaml: application.roles must hold no role that reads all secrets, publishes to all topics (the budget's too) or acts as all accounts; name the application under secrets.*.readers, or grant on the one resource."
  }
  validation {
    condition     = length(var.application_roles) == 0 || var.service_account != null
    error_message = "environments/${var.environment}/policy.yaml: application.account is missing; roles need an account: add it, or remove them."
  }
}

variable "service_account" {
  description = "Short id of the application's service account, like living-twin-staging; an existing one is adopted, and null makes none."
  type        = string
  default     = null

  validation {
    condition     = var.service_account == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.service_account))
    error_message = "service_account must have 6 to 30 lower case letters, digits and hyphens, without the part from @ on."
  }
}
