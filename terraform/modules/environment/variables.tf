# SPDX-License-Identifier: Apache-2.0

variable "bundle" {
  description = "Folder that holds the zip of the functions, and only one."
  type        = string
  nullable    = false

  validation {
    condition     = length(fileset(var.bundle, "twinguard-*.zip")) == 1
    error_message = "${var.bundle} holds no zip of the functions, or several; build it: python -m twinguard.cli.bundle."
  }
}

variable "environment" {
  description = "Name of the environment: the folder that the policy stands in."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["production", "staging", "development", "ci"], var.environment)
    error_message = "environment must be production, staging, development or ci; local has no cloud."
  }

  # Two rules about the file as it is written: one of var.policy sees it after the conversion, and
  # one of var.raw_policy cannot read what is made of it.
  validation {
    condition     = var.environment == null || length(local.not_whole) == 0
    error_message = "environments/${var.environment}/policy.yaml: ${join(", ", local.not_whole)} must be a whole number; write digits, without quotes."
  }
  validation {
    condition     = var.environment == null || length(local.empty_keys) == 0
    error_message = "environments/${var.environment}/policy.yaml: ${join(", ", local.empty_keys)} has nothing behind it; write a value (environments/policy.schema.json describes the keys)."
  }
}

variable "may_unlink" {
  description = "Second switch of cap.unlink_billing: the project may lose its billing account."
  type        = bool
  default     = false
  nullable    = false
}

variable "raw_policy" {
  description = "The same policy.yaml, only to find keys that nobody knows: a typed variable drops them silently."
  type        = any
  nullable    = false
}
