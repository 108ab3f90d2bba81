# SPDX-License-Identifier: Apache-2.0

variable "budget_topic" {
  description = "Short name of the topic with the budget's messages."
  type        = string
  nullable    = false
}

variable "bundle" {
  description = "Path of the zip that `python -m twinguard.cli.bundle` builds."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("/twinguard-[0-9a-f]{16}\\.zip$", var.bundle))
    error_message = "bundle must be a zip named by its digest; build it with: python -m twinguard.cli.bundle."
  }
  validation {
    condition     = try(strcontains(var.bundle, substr(filesha256(var.bundle), 0, 16)), false)
    error_message = "bundle is missing or is not what its name says; build it again: python -m twinguard.cli.bundle."
  }
}

variable "channel_secrets" {
  description = "Secret and version that hold a setting of `dispatch-alert`, by the setting's name."
  type        = map(object({ secret = string, version = string }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for pinned in values(var.channel_secrets) : can(regex("^[1-9][0-9]*$", pinned.version))])
    error_message = "channel_secrets must pin a version by its number: `latest` would change a running function unseen."
  }
}

variable "channel_settings" {
  description = "Settings of `dispatch-alert` that are no secret, by name."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "costs" {
  description = "Where on-schedule reads costs from, as bigquery://?project=ID; empty where nothing is exported yet: then its tasks about costs are not scheduled."
  type        = string
  default     = ""
  nullable    = false
}

variable "counters" {
  description = "Where on-usage finds the fast counters: what TWINGUARD_COUNTERS is set to, the certificates it trusts, and the network they are in (null: they are in the records)."
  type = object({
    url          = string
    certificates = optional(string, "")
    network      = optional(object({ network = string, subnetwork = string }))
  })
  nullable = false
}

variable "environment" {
  description = "Name of the environment."
  type        = string
  nullable    = false
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  nullable    = false
}

variable "may_unlink" {
  description = "Second switch of cap.unlink_billing: the function for budgets may take the project off its billing account."
  type        = bool
  default     = false
  nullable    = false
}

variable "name" {
  description = "What every name begins with, as twinguard-staging; account ids leave it 21 characters."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.name, "twinguard-")
    error_message = "name must begin with twinguard-: that is how Twinguard knows what it must never put to sleep."
  }
  validation {
    condition     = length(var.name) <= 21
    error_message = "name must have at most 21 characters, or the service accounts' ids become too long."
  }
}

variable "policy_json" {
  description = "The environment's policy with its defaults filled in, as JSON."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "project_number" {
  description = "Number of the project; Pub/Sub's service agent is named by it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be digits only; 'gcloud projects describe' prints it."
  }
}

variable "records_url" {
  description = "Where the records are kept, as TWINGUARD_RECORDS wants it."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where the functions run."
  type        = string
  nullable    = false
}

variable "reporters" {
  description = "E-mails of the accounts that report what is used, by what they are for."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "schedule" {
  description = "When the environment sleeps: times of day on days of the week, in a time zone."
  type = object({
    time_zone = string
    night     = object({ at = string, days = list(string) })
    morning   = object({ at = string, days = list(string) })
  })
  default = null
}
