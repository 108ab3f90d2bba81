# SPDX-License-Identifier: Apache-2.0

variable "contact" {
  description = "E-mail that Google writes to about a raised quota; its account must be allowed to change quotas, so a mailing list will not do."
  type        = string
  default     = null

  validation {
    condition     = var.contact == null || can(regex("^[^@ ]+@[^@ ]+\\.[a-z]+$", var.contact))
    error_message = "contact must be one e-mail address; leave it out for limits below the default, which Google asks nobody about."
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

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must have 6 to 30 lower case letters, digits and hyphens, and begin with a letter."
  }
}

variable "quotas" {
  description = "Hard limits by a name of your choice: the service, its quota's id, the value in that quota's unit, and the dimensions that it is narrowed to."
  type = map(object({
    service    = string
    quota      = string
    value      = number
    dimensions = optional(map(string), {})
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for name in keys(var.quotas) : can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", name))
    ])
    error_message = "quotas must be named by 3 to 63 lower case letters, digits and hyphens, beginning with a letter, like run-cpu."
  }
  validation {
    condition = alltrue([
      for quota in values(var.quotas) :
      can(regex("^[a-z0-9.-]+\\.googleapis\\.com$", quota.service))
    ])
    error_message = "quotas.service must be a name like run.googleapis.com; got ${join(", ", values(var.quotas)[*].service)}."
  }
  validation {
    condition = alltrue([
      for quota in values(var.quotas) : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]*$", quota.quota))
    ])
    error_message = "quotas.quota must be an id like CpuAllocPerProjectRegion; 'gcloud quotas info list --service=SERVICE --project=PROJECT' lists them."
  }
  validation {
    condition = alltrue([
      for quota in values(var.quotas) : quota.value >= 0 && quota.value == floor(quota.value)
    ])
    error_message = "quotas.value must be a whole number, 0 or more (Google's -1 means no limit at all); got ${join(", ", values(var.quotas)[*].value)}."
  }
  validation {
    condition = alltrue(flatten([
      for quota in values(var.quotas) : [
        for key, value in quota.dimensions :
        can(regex("^[a-z][a-z0-9_]*$", key)) && length(value) > 0
      ]
    ]))
    error_message = "quotas.dimensions must be like { region = \"europe-west1\" }, with lower case names and values that are not empty."
  }
  validation {
    condition = alltrue([
      for quota in values(var.quotas) :
      length(setintersection(keys(quota.dimensions), ["user", "resource"])) == 0
    ])
    error_message = "quotas.dimensions cannot hold user or resource: Google sets those limits for all users and resources together."
  }
  validation {
    condition = length(var.quotas) == length(distinct([
      for quota in values(var.quotas) : jsonencode([quota.service, quota.quota, quota.dimensions])
    ]))
    error_message = "quotas sets one limit twice: Google keeps one value for a service, quota and dimensions; remove one of the two."
  }
}
