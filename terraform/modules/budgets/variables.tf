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
  description = "Monthly amount and the percentages at which people are told; without an amount it only reports."
  type = object({
    name       = string
    amount     = optional(number)
    currency   = optional(string, "USD")
    thresholds = optional(list(object({ percent = number })), [])
    forecast   = optional(list(object({ percent = number })), [])
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
