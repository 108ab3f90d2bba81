# SPDX-License-Identifier: Apache-2.0

variable "audit_days" {
  description = "Days for which the security audit log is kept."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.audit_days >= 1 && var.audit_days <= 3650 && floor(var.audit_days) == var.audit_days
    error_message = "audit_days must be whole days from 1 to 3650; got ${var.audit_days}."
  }
}

variable "block_age_ms" {
  description = "Age in milliseconds above which a block reached an instance too late; a block is to be everywhere within a second."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.block_age_ms >= 100 && var.block_age_ms <= 600000 && floor(var.block_age_ms) == var.block_age_ms
    error_message = "block_age_ms must be whole milliseconds from 100 to 600000; got ${var.block_age_ms}."
  }
}

variable "budget_topic" {
  description = "Name of the topic that the budget publishes to."
  type        = string
  nullable    = false
}

variable "contacts" {
  description = "E-mail addresses that hear of every alert; a budget takes five of them at most."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.contacts) >= 1 && length(var.contacts) <= 5
    error_message = "contacts must name 1 to 5 addresses: without one nobody hears of an alert, and a budget takes no more than five."
  }
  validation {
    condition     = alltrue([for contact in var.contacts : can(regex("^[^@ ]+@[^@ ]+\\.[a-z]+$", contact))])
    error_message = "contacts must be e-mail addresses; got ${join(", ", var.contacts)}."
  }
}

variable "dead_letter_subscriptions" {
  description = "Names of the subscriptions that collect dead letters, by the entry point that gave them up."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.dead_letter_subscriptions) > 0
    error_message = "dead_letter_subscriptions must name at least one; a dead letter nobody keeps is lost."
  }
}

variable "environment" {
  description = "Name of the environment."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["production", "staging", "development", "ci"], var.environment)
    error_message = "environment must be production, staging, development or ci; got ${var.environment}."
  }
}

variable "functions" {
  description = "Names of the Cloud Run services of the functions, by entry point."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.functions) > 0
    error_message = "functions must name at least one Cloud Run service; there is nothing else to watch."
  }
}

variable "labels" {
  description = "Labels of everything that takes labels; the environment is added."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "location" {
  description = "Where the security audit log is kept: a region, or global."
  type        = string
  default     = "global"
  nullable    = false
}

variable "prefix" {
  description = "Beginning of every name."
  type        = string
  default     = "twinguard"
  nullable    = false
}

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "services" {
  description = "Names of the application's Cloud Run services; the dashboard shows their requests and instances."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "subscriptions" {
  description = "Names of the application's subscriptions; the dashboard shows what waits in them."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "usage_dead_letters" {
  description = "Name of the subscription that keeps usage of models that no table took; null without a gateway."
  type        = string
  default     = null
}
