# SPDX-License-Identifier: Apache-2.0

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
  default     = { application = "twinguard", purpose = "terraform-state" }
  nullable    = false
}

variable "project_id" {
  description = "Id of the seed project, which exists already and holds the state of all environments."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must have 6 to 30 lower case letters, digits and hyphens, and begin with a letter."
  }
}

variable "region" {
  description = "Where the bucket lies; it cannot be moved later."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must look like europe-west1; got ${var.region}."
  }
}

variable "services" {
  description = "APIs of the seed project: those that Terraform itself calls."
  type        = set(string)
  default = [
    "billingbudgets.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
  ]
  nullable = false
}
