# SPDX-License-Identifier: Apache-2.0

variable "counters" {
  description = "Address of the counters' store, the certificates that it shows, and the network that it is in."
  type = object({
    certificates = string
    network      = string
    subnetwork   = string
    url          = string
  })
  nullable = false
}

variable "deletion_protection" {
  description = "Refuse to delete the service; set it to false, and apply, before it is given up."
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

variable "invokers" {
  description = "Members that may call the service, past Cloud Run's IAM, by what they are for."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "name" {
  description = "Beginning of the account's name, as twinguard-staging."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.name) <= 22
    error_message = "name must have at most 22 characters: '-gateway' is added to it, and an account's id has thirty."
  }
}

variable "pepper_secret" {
  description = "Id of the secret that digests of customers' keys are keyed with, once the account may read it."
  type        = string
  nullable    = false
}

variable "policy_json" {
  description = "The environment's policy as JSON."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "Id of the project."
  type        = string
  nullable    = false
}

variable "provider_secrets" {
  description = "Ids of the secrets with providers' keys, by provider, once the account may read them."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "records_url" {
  description = "What TWINGUARD_RECORDS is set to, once the account may use it."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where the service runs."
  type        = string
  nullable    = false
}

variable "seconds" {
  description = "Seconds that an answer may take."
  type        = number
  default     = 300
  nullable    = false
}

variable "service" {
  description = "The service: its name, its image by digest, from where it is reached, how many instances it begins with, how many calls each takes at once."
  type = object({
    name        = string
    image       = string
    ingress     = optional(string, "internal")
    minimum     = optional(number, 0)
    maximum     = optional(number, 3)
    concurrency = optional(number, 80)
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]*(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$", var.service.image))
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.image must be named by its digest: a tag can become another image; write REGISTRY/PATH@sha256:… as the build prints it."
  }
  validation {
    condition     = contains(["all", "internal", "load-balancer"], var.service.ingress)
    error_message = "environments/${var.environment}/policy.yaml: gateway.service.ingress must be internal, load-balancer or all; got ${var.service.ingress}."
  }
}

variable "usage_topic" {
  description = "Full name of the topic for usage lines, once the account may publish."
  type        = string
  nullable    = false
}
