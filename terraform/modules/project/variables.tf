# SPDX-License-Identifier: Apache-2.0

variable "audited_services" {
  description = "Services whose data access is written to the audit log; empty where another environment of the same project sees to it."
  type        = set(string)
  default     = ["secretmanager.googleapis.com"]
  nullable    = false

  validation {
    condition     = alltrue([for service in var.audited_services : can(regex("^[a-z0-9.-]+\\.googleapis\\.com$", service))])
    error_message = "audited_services must hold names like secretmanager.googleapis.com; got ${join(", ", var.audited_services)}."
  }
}

variable "billing_account" {
  description = "Billing account that a created project begins with, as 012345-6789AB-CDEF01; later changes of it are left alone, and an adopted project keeps its own."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}(-[0-9A-F]{6}){2}$", var.billing_account))
    error_message = "billing_account must look like 012345-6789AB-CDEF01; list yours with 'gcloud billing accounts list'."
  }
  validation {
    condition     = !var.project.create || var.billing_account != null
    error_message = "billing_account is missing; a created project cannot turn its services on without one."
  }
}

variable "labels" {
  description = "Labels of a created project; those of an adopted one are left alone."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.labels :
      can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "labels must be lower case letters, digits, _ and -, at most 63, keys beginning with a letter."
  }
}

variable "project" {
  description = "The project: adopted as it is, or created in a folder or an organisation with create = true. default_accounts says what becomes of Google's default service accounts: disable, deprivilege or keep."
  type = object({
    id               = string
    name             = optional(string)
    create           = optional(bool, false)
    default_accounts = optional(string, "disable")
    folder_id        = optional(string)
    org_id           = optional(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project.id))
    error_message = "project.id must have 6 to 30 lower case letters, digits and hyphens, and begin with a letter."
  }
  validation {
    condition     = var.project.folder_id == null || var.project.org_id == null
    error_message = "project.folder_id and project.org_id exclude each other; keep the folder."
  }
  validation {
    condition     = var.project.create || (var.project.folder_id == null && var.project.org_id == null)
    error_message = "project.folder_id and project.org_id say where to create a project; set create = true or remove them."
  }
  validation {
    condition     = contains(["disable", "deprivilege", "keep"], var.project.default_accounts)
    error_message = "project.default_accounts in the environment's policy.yaml must be disable, deprivilege or keep; got ${var.project.default_accounts}."
  }
}

variable "services" {
  description = "APIs to turn on; they stay on when this configuration is destroyed."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for service in var.services : can(regex("^[a-z0-9.-]+\\.googleapis\\.com$", service))])
    error_message = "services must hold names like run.googleapis.com; got ${join(", ", var.services)}."
  }
}
