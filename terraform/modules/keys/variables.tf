# SPDX-License-Identifier: Apache-2.0

variable "deletion_protection" {
  description = "Refuse to delete the secrets; set it to false, and apply, before an environment is given up."
  type        = bool
  default     = true
  nullable    = false
}

variable "environment" {
  description = "Name of the environment; every secret's id begins with it."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["production", "staging", "development", "ci"], var.environment)
    error_message = "environment must be production, staging, development or ci; got ${var.environment}."
  }
}

variable "labels" {
  description = "Labels of everything that takes labels; the environment is added."
  type        = map(string)
  default     = {}
  nullable    = false
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
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "project_number" {
  description = "Number of the project; Secret Manager's service agent is named by it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be digits only; 'gcloud projects describe' prints it."
  }
}

variable "region" {
  description = "The only region that keeps the secrets and their events."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must look like europe-west1; got ${var.region}."
  }
}

variable "rotation_starts" {
  description = "When rotation begins, in UTC; a secret made later joins in at its next turn counted from here."
  type        = string
  default     = "2027-01-04T09:00:00Z"
  nullable    = false

  validation {
    condition     = can(timeadd(var.rotation_starts, "0s")) && endswith(var.rotation_starts, "Z")
    error_message = "rotation_starts must be a time in UTC like 2027-01-04T09:00:00Z; got ${var.rotation_starts}."
  }
}

variable "secrets" {
  description = "Secrets by their name without the environment: who reads them ('application' for the service account made here), how often they rotate, how long a destroyed version can be had back."
  type = map(object({
    readers          = list(string)
    rotation_days    = optional(number)
    destroy_ttl_days = optional(number, 30)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", name))])
    error_message = "secrets must be named in lower case letters, digits and hyphens, like openai-api-key."
  }
  validation {
    condition     = alltrue([for name in keys(var.secrets) : !startswith(name, "${var.environment}-")])
    error_message = "secrets are named without the environment: it is put in front of them; write openai-api-key."
  }
  validation {
    condition = alltrue(flatten([
      for secret in values(var.secrets) : [
        for reader in secret.readers :
        can(regex("^(application|(serviceAccount|group|user):[^@ ]+@[^@ ]+\\.[a-z]+|principal(Set)?://.+)$", reader))
      ]
    ]))
    error_message = "secrets.readers must be 'application' or like group:developers@example.com; the public and whole domains never read a secret."
  }
  validation {
    condition     = alltrue([for secret in values(var.secrets) : try(secret.rotation_days >= 1, secret.rotation_days == null)])
    error_message = "secrets.rotation_days must be 1 or more; leave it out for a secret that is rotated by hand only."
  }
  validation {
    condition     = alltrue([for secret in values(var.secrets) : secret.destroy_ttl_days >= 1])
    error_message = "secrets.destroy_ttl_days must be 1 or more: a version destroyed by mistake must be had back."
  }
  validation {
    condition     = var.service_account != null || !contains(flatten(values(var.secrets)[*].readers), "application")
    error_message = "environments/${var.environment}/policy.yaml: application.account is missing; secrets.*.readers speak of the application: add it, or name other readers."
  }
}
