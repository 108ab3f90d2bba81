# SPDX-License-Identifier: Apache-2.0
# The bucket is given to `terraform init`; before it exists, `make bootstrap` puts a local backend
# over this one and moves the state afterwards.

terraform {
  backend "gcs" {
    prefix = "bootstrap"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}
