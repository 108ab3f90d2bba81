# SPDX-License-Identifier: Apache-2.0

variable "days" {
  description = "Days for which the table keeps what it was told."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.days >= 1 && floor(var.days) == var.days
    error_message = "environments/${var.environment}/policy.yaml: retention.history_days must be whole days from 1; got ${var.days}."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the table; set it to false, and apply, before an environment is given up."
  type        = bool
  default     = true
  nullable    = false
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

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "name" {
  description = "Beginning of every name, as twinguard-staging."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "Id of the project, once bigquery.googleapis.com is on."
  type        = string
  nullable    = false
}

variable "publishers" {
  description = "E-mails of the service accounts that tell what models cost, by what they are for."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "pubsub_agent" {
  description = "Pub/Sub's own service account as a member: it writes the table and moves dead letters."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where the table lies; it cannot be changed later."
  type        = string
  nullable    = false
}
