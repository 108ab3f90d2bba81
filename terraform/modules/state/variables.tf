# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "Name of the database, as twinguard-staging."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.name))
    error_message = "name must have 4 to 63 lower case letters, digits and hyphens, and begin with a letter."
  }
}

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where the records are kept; it cannot be changed later."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must look like europe-west1; got ${var.region}."
  }
}

variable "users" {
  description = "E-mails of the service accounts that read and write the records, by what they are for."
  type        = map(string)
  nullable    = false
}
