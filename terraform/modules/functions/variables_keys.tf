# SPDX-License-Identifier: Apache-2.0

variable "openai_admin_secret" {
  description = "Secret and version of the admin key of OpenAI, where keys are made there."
  type        = object({ secret = string, version = string })
  default     = null

  validation {
    condition     = var.openai_admin_secret == null ? true : can(regex("^[1-9][0-9]*$", var.openai_admin_secret.version))
    error_message = "openai_admin_secret must pin a version by its number: `latest` would change a running function unseen."
  }
}

variable "rotated_secrets" {
  description = "Secrets whose keys are rotated: their ids, and whether an API makes the keys or a person."
  type        = map(object({ id = string, made = bool }))
  default     = {}
  nullable    = false
}

variable "rotates_api_keys" {
  description = "Keys of Google's own APIs are made and ended by the rotation."
  type        = bool
  default     = false
  nullable    = false
}

variable "secret_topic" {
  description = "Short name of the topic that announces rotations and changes of secrets."
  type        = string
  nullable    = false
}
