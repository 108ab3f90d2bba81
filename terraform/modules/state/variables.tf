# SPDX-License-Identifier: Apache-2.0

variable "counter_users" {
  description = "E-mails of the service accounts that connect to the counters, by what they are for."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for email in values(var.counter_users) : can(regex("^[^@: ]+@[^@: ]+\\.gserviceaccount\\.com$", email))])
    error_message = "counter_users must hold e-mails of service accounts, as api@living-twin-staging.iam.gserviceaccount.com: only they have the tokens that the counters take."
  }
}

variable "counters" {
  description = "The hot counters' own store: type and numbers of its nodes, addresses of its private network; null where the records hold them."
  type = object({
    node     = optional(string, "SHARED_CORE_NANO")
    shards   = optional(number, 1)
    replicas = optional(number, 0)
    cidr     = optional(string, "10.80.0.0/24")
  })
  default = null

  validation {
    condition     = var.counters == null || can(regex("^[A-Z][A-Z0-9_]+$", var.counters.node))
    error_message = "counters.node in the environment's policy.yaml must look like SHARED_CORE_NANO or STANDARD_SMALL; 'gcloud memorystore instances create --help' lists the types."
  }
  validation {
    condition     = try(contains(range(1, 251), var.counters.shards), var.counters == null)
    error_message = "counters.shards in the environment's policy.yaml must be a whole number from 1 to 250; correct it."
  }
  validation {
    condition     = try(contains(range(0, 6), var.counters.replicas), var.counters == null)
    error_message = "counters.replicas in the environment's policy.yaml must be a whole number from 0 to 5; correct it."
  }
  validation {
    condition     = try(cidrhost(var.counters.cidr, 0) == split("/", var.counters.cidr)[0], var.counters == null)
    error_message = "counters.cidr in the environment's policy.yaml must be a range that begins at its own first address; write it like 10.80.0.0/24."
  }
  validation {
    condition     = var.counters == null || can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\.", var.counters.cidr))
    error_message = "counters.cidr in the environment's policy.yaml must be private: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16."
  }
  validation {
    condition     = try(contains(range(16, 27), tonumber(split("/", var.counters.cidr)[1])), var.counters == null)
    error_message = "counters.cidr in the environment's policy.yaml must end in /16 to /26: Cloud Run takes no smaller subnetwork, and more is waste."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete records and counters; set it to false, and apply, before an environment is given up."
  type        = bool
  default     = true
  nullable    = false
}

variable "labels" {
  description = "Labels of the counters; Firestore takes none."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "name" {
  description = "Name of the database, and beginning of the counters' names, as twinguard-staging."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.name))
    error_message = "name must have 4 to 63 lower case letters, digits and hyphens, and begin with a letter."
  }
  validation {
    condition     = var.counters == null || length(var.name) <= 54
    error_message = "name must have at most 54 characters where there are counters: '-counters' is added to it, and 63 are allowed."
  }
}

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where records and counters are kept; it cannot be changed later."
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
