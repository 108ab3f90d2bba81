# SPDX-License-Identifier: Apache-2.0

variable "billing_account" {
  description = "Billing account that pays for the project, as 012345-567890-ABCDEF."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account must look like 012345-567890-ABCDEF; 'gcloud billing accounts list' shows yours."
  }
}

variable "budget" {
  description = "Monthly amount and the percentages at which people are told; without an amount it only reports. services are parts of it, each for one Google service by its id in Google's catalogue."
  type = object({
    name       = string
    amount     = optional(number)
    currency   = optional(string, "USD")
    thresholds = optional(list(object({ percent = number })), [])
    forecast   = optional(list(object({ percent = number })), [])
    services   = optional(map(object({ service = string, amount = number })), {})
  })
  nullable = false

  validation {
    condition     = var.budget.amount == null || try(var.budget.amount > 0, false)
    error_message = "budget.amount must be above zero; remove it to run without a cap."
  }
  validation {
    condition     = var.budget.amount != null || length(concat(var.budget.thresholds, var.budget.forecast)) == 0
    error_message = "budget.amount is missing; percentages cannot be computed without it: add an amount, or remove them."
  }
  validation {
    condition     = alltrue([for rule in concat(var.budget.thresholds, var.budget.forecast) : rule.percent > 0])
    error_message = "budget.thresholds and budget.forecast: every percent must be above zero."
  }
  validation {
    condition     = length(var.budget.name) <= 60
    error_message = "budget.name must have at most 60 characters."
  }
  validation {
    condition     = alltrue([for key in keys(var.budget.services) : can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", key))])
    error_message = "environments/${var.environment}/policy.yaml: budget.services must be named in lower case letters, digits and hyphens; write them like vertex-ai."
  }
  validation {
    condition     = alltrue([for key in keys(var.budget.services) : length("${var.budget.name}-${key}") <= 60])
    error_message = "environments/${var.environment}/policy.yaml: budget.services: a name is too long; with ${var.budget.name}- in front of it Google takes 60 characters: shorten it."
  }
  validation {
    condition     = alltrue([for part in values(var.budget.services) : can(regex("^services/[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}$", part.service))])
    error_message = "environments/${var.environment}/policy.yaml: budget.services.*.service must be an id of Google's catalogue; write it like services/C7E2-9256-1C43."
  }
  validation {
    condition     = alltrue([for part in values(var.budget.services) : part.amount > 0])
    error_message = "environments/${var.environment}/policy.yaml: budget.services.*.amount must be above zero; correct it, or remove the service."
  }
  validation {
    condition     = length(var.budget.services) == 0 || var.budget.amount != null
    error_message = "environments/${var.environment}/policy.yaml: budget.amount is missing; budget.services are parts of it: add an amount, or remove them."
  }
  validation {
    # In whole nanos: to HCL, 0.1 and 0.2 are together more than 0.3.
    condition     = try(sum(concat([0], [for part in values(var.budget.services) : floor(part.amount * 1000000000 + 0.5)])) <= floor(var.budget.amount * 1000000000 + 0.5), true)
    error_message = "environments/${var.environment}/policy.yaml: budget.services have more together than budget.amount; lower them, or raise it."
  }
}

variable "environment" {
  description = "Name of the environment; the label that tells its costs apart in a shared project."
  type        = string
  nullable    = false
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  nullable    = false
}

variable "name" {
  description = "What every name begins with, as twinguard-staging."
  type        = string
  nullable    = false
}

variable "notification_channels" {
  description = "Monitoring channels of type email, one to five; Google refuses a budget without one."
  type        = list(string)
  nullable    = false
}

variable "project_id" {
  description = "Id of the project that the topic is in."
  type        = string
  nullable    = false
}

variable "project_number" {
  description = "Number, not id, of the project whose costs are watched."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number must be the number: with an id the budget never sees any cost."
  }
}

variable "shared" {
  description = "Another environment lives in the project: only costs labelled with this one are counted."
  type        = bool
  default     = false
  nullable    = false
}
