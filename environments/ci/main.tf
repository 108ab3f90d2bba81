# SPDX-License-Identifier: Apache-2.0

terraform {
  backend "gcs" {
    prefix = "ci" # the bucket: terraform init -backend-config=bucket=NAME
  }
}

locals {
  policy = yamldecode(file("${path.module}/policy.yaml"))
}

# Budgets are asked for by a person's own credentials as well: those must name who pays for the
# call. While the project is being created, that is the one named as its seed.
provider "google" {
  project               = local.policy.project.id
  region                = local.policy.region
  billing_project       = try(local.policy.project.create.seed, local.policy.project.id)
  user_project_override = true
}

provider "google-beta" {
  project               = local.policy.project.id
  region                = local.policy.region
  billing_project       = try(local.policy.project.create.seed, local.policy.project.id)
  user_project_override = true
}

module "environment" {
  source = "../../terraform/modules/environment"

  bundle      = "${path.module}/../../.cache/bundle"
  environment = "ci"
  policy      = local.policy
  raw_policy  = local.policy
}

output "environment" {
  description = "What the module says of the environment: names, topics, accounts, addresses."
  value       = module.environment
}
