# SPDX-License-Identifier: Apache-2.0

variable "billing_account" {
  description = "Billing account whose costs are exported, as 012345-6789AB-CDEF01; its tables are named by it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-F]{6}(-[0-9A-F]{6}){2}$", var.billing_account))
    error_message = "billing_account must look like 012345-6789AB-CDEF01; list yours with 'gcloud billing accounts list'."
  }
}

variable "environment" {
  description = "Name of the environment that keeps the export; the costs in it are those of all environments."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["production", "staging", "development", "ci"], var.environment)
    error_message = "environment must be production, staging, development or ci; got ${var.environment}."
  }
}

variable "export" {
  description = "The dataset, where it lies (EU or US fill in the past), whether the export is connected and has written its first rows, and whether the detailed export is on as well."
  type = object({
    dataset   = optional(string, "billing_export")
    location  = optional(string, "EU")
    connected = optional(bool, false)
    detailed  = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]*$", var.export.dataset))
    error_message = "environments/${var.environment}/policy.yaml: billing_export.dataset must have letters, digits and _ only, and not begin with a digit; got ${var.export.dataset}."
  }
  validation {
    condition     = can(regex("^(EU|US|[a-z]+-[a-z]+[0-9]+)$", var.export.location))
    error_message = "environments/${var.environment}/policy.yaml: billing_export.location must be EU, US or a region like europe-west1; got ${var.export.location}."
  }
}

variable "labels" {
  description = "Labels of everything that takes labels; the environment is added."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "project_id" {
  description = "Id of the project that keeps the export and pays for queries, once bigquery.googleapis.com is on."
  type        = string
  nullable    = false
}

variable "readers" {
  description = "Who reads the costs: members like group:finance@example.com, known before the apply."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition = alltrue([
      for member in var.readers :
      can(regex("^(serviceAccount|group|user):[^@\\s]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$", member))
    ])
    error_message = "environments/${var.environment}/policy.yaml: billing_export.readers must be like group:finance@example.com; the public and whole domains never read costs."
  }
}

variable "view_sql" {
  description = "Query of the views, functions/twinguard/billing/costs.sql: standard SQL in which {table}, once and in backticks, stands for the exported table."
  type        = string
  nullable    = false

  validation {
    condition = (
      length(split("`{table}`", var.view_sql)) == 2 && length(split("{table}", var.view_sql)) == 2
    )
    error_message = "view_sql must contain `{table}`, in backticks, exactly once; pass the text of functions/twinguard/billing/costs.sql."
  }
}

variable "viewers" {
  description = "E-mails of service accounts that read the dataset and are granted elsewhere where their queries run, by what they are for."
  type        = map(string)
  default     = {}
  nullable    = false
}
