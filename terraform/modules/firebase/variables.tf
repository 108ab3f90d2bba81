# SPDX-License-Identifier: Apache-2.0

variable "application_account" {
  description = "E-mail of the application's service account, which looks after users."
  type        = string
  nullable    = false

  validation {
    condition = can(
      regex("^[a-z0-9][a-z0-9-]+@[a-z0-9.-]+\\.gserviceaccount\\.com$", var.application_account)
    )
    error_message = "application_account must be a service account's e-mail, like living-twin-staging@living-twin-staging.iam.gserviceaccount.com; got ${var.application_account}."
  }
}

variable "environment" {
  description = "Name of the environment: production or staging; development has the emulator, ci has mocks."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["production", "staging"], var.environment)
    error_message = "environment must be production or staging, got ${var.environment}: development uses the emulator and ci mocks; remove firebase from environments/${var.environment}/policy.yaml."
  }
}

variable "firebase" {
  description = "What the application may do with users (full, or limited to creating and looking up), and the sites besides the project's own that may sign users in."
  type = object({
    auth               = string
    authorized_domains = optional(list(string), [])
  })
  nullable = false

  validation {
    condition     = contains(["full", "limited"], var.firebase.auth)
    error_message = "environments/${var.environment}/policy.yaml: firebase.auth must be full or limited; got ${var.firebase.auth}."
  }
  validation {
    condition = alltrue([
      for domain in var.firebase.authorized_domains :
      can(regex("^(localhost|([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z][a-z0-9-]*[a-z0-9])$", domain))
    ])
    error_message = "environments/${var.environment}/policy.yaml: firebase.authorized_domains must be host names in lower case, without scheme, port, path or *, like app.example.com; got ${join(", ", var.firebase.authorized_domains)}."
  }
  validation {
    condition = (
      var.environment != "production" || !contains(var.firebase.authorized_domains, "localhost")
    )
    error_message = "environments/${var.environment}/policy.yaml: firebase.authorized_domains must not have localhost in production: any program on a user's machine could sign in as them; remove it."
  }
}

variable "prefix" {
  description = "Beginning of the names of what belongs to the control plane."
  type        = string
  default     = "twinguard"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.prefix))
    error_message = "prefix must have 3 to 22 lower case letters, digits and hyphens, and begin with a letter."
  }
}

variable "project_id" {
  description = "Id of the project, once firebase.googleapis.com and identitytoolkit.googleapis.com are on."
  type        = string
  nullable    = false
}
