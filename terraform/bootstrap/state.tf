# SPDX-License-Identifier: Apache-2.0

locals {
  # Bucket names are global; the project's id makes this one ours.
  bucket = "${var.project_id}-terraform-state"
}

resource "google_storage_bucket" "state" {
  project                     = var.project_id
  name                        = local.bucket
  location                    = var.region
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = "PREVENT"

  versioning {
    enabled = true
  }

  # A replaced state stays for a year, the last twenty of each file for good.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 365
      num_newer_versions         = 20
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.seed]
}
