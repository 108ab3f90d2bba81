# SPDX-License-Identifier: Apache-2.0

variable "api_keys" {
  description = "Keys of Google's APIs by their name without the environment: the APIs each is for, and either the addresses of the servers or the referrers of the browsers that use it."
  type = map(object({
    apis      = list(string)
    addresses = optional(list(string), [])
    referrers = optional(list(string), [])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.api_keys) : can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", name)) && length("${var.prefix}-${var.environment}-${name}") <= 63])
    error_message = "environments/${var.environment}/policy.yaml: api_keys must be named in lower case letters, digits and hyphens, at most 63 of them with ${var.prefix}-${var.environment}- in front; write them like places."
  }
  validation {
    condition     = alltrue([for key in values(var.api_keys) : length(key.apis) > 0 && alltrue([for api in key.apis : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*\\.googleapis\\.com$", api))])])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.apis must name the APIs that the key is for; write them like places.googleapis.com."
  }
  validation {
    condition     = alltrue([for key in values(var.api_keys) : (length(key.addresses) > 0) != (length(key.referrers) > 0)])
    error_message = "environments/${var.environment}/policy.yaml: api_keys: a key needs addresses (a server's) or referrers (a browser's); write one of the two."
  }
  validation {
    condition     = alltrue([for list in flatten([for key in values(var.api_keys) : [{ of = key.apis }, { of = key.addresses }, { of = key.referrers }]]) : length(list.of) == length(distinct(list.of))])
    error_message = "environments/${var.environment}/policy.yaml: api_keys: an API, an address or a referrer stands there twice; remove one."
  }
  validation {
    condition = alltrue([
      for address in flatten(values(var.api_keys)[*].addresses) :
      can(cidrhost(strcontains(address, "/") ? address : "${address}/32", 0))
    ])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.addresses must be IP addresses or ranges; write them like 203.0.113.7 or 203.0.113.0/28."
  }
  validation {
    condition = alltrue([
      for address in flatten(values(var.api_keys)[*].addresses) :
      try(tonumber(split("/", address)[1]) >= (strcontains(address, ":") ? 32 : 16), true)
    ])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.addresses must be no wider than /16, or /32 for IPv6: half of the internet is no restriction; name your servers' own."
  }
  validation {
    condition = alltrue([
      for referrer in flatten(values(var.api_keys)[*].referrers) :
      can(regex("^(https?://)?(\\*\\.)?([a-z0-9-]+\\.)+[a-z]{2,}(:[0-9]+)?(/.*)?$", referrer))
    ])
    error_message = "environments/${var.environment}/policy.yaml: api_keys.*.referrers must name sites, with * for their subdomains and pages at most; write them like https://app.example.com/*."
  }
}
