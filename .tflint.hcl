# SPDX-License-Identifier: Apache-2.0
# Read by `make terraform-lint`. The ruleset for Terraform itself is part of tflint.

tflint {
  required_version = ">= 0.60"
}

config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "recommended"
}

# The ruleset for Google, which finds values that the provider refuses, is switched on by
# `make terraform-lint` wherever its plugin lies in ~/.tflint.d/plugins or where .ci/run builds it.
# No block for it here: tflint would fetch it from GitHub, which not every machine may do.

rule "terraform_comment_syntax" {
  enabled = true
}

rule "terraform_documented_outputs" {
  enabled = true
}

rule "terraform_documented_variables" {
  enabled = true
}

rule "terraform_naming_convention" {
  enabled = true

  # A leading underscore marks a step on the way to another local value.
  locals {
    format = "none"
    custom = "^_?[a-z][a-z0-9_]*$"
  }
}

rule "terraform_standard_module_structure" {
  enabled = false # files are named by what they hold
}
