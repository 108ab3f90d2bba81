# SPDX-License-Identifier: Apache-2.0

variable "services" {
  description = "Cloud Run services that may be held, with the functions that may do it."
  type = map(object({
    account  = optional(string)
    holders  = set(string)
    location = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for target in values(var.services) : length(setsubtract(target.holders, ["on-budget-alert", "on-schedule"])) == 0])
    error_message = "services.holders may name on-budget-alert and on-schedule; no other function changes anything."
  }
}

variable "subscriptions" {
  description = "Push subscriptions that may be held, with the functions that may do it."
  type = map(object({
    account = optional(string)
    holders = set(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for target in values(var.subscriptions) : length(setsubtract(target.holders, ["on-budget-alert", "on-schedule"])) == 0])
    error_message = "subscriptions.holders may name on-budget-alert and on-schedule; no other function changes anything."
  }
}
