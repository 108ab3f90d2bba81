# SPDX-License-Identifier: Apache-2.0
# The zip is named by its content, so that a change of the code, and only that, is a new deployment.

resource "google_storage_bucket" "source" {
  #checkov:skip=CKV_GCP_78:An object is named by its content and never overwritten.
  project  = var.project_id
  name     = "${var.project_id}-${var.name}-source"
  location = var.region
  labels   = var.labels

  public_access_prevention    = "enforced"
  uniform_bucket_level_access = true
}

resource "google_storage_bucket_object" "bundle" {
  bucket         = google_storage_bucket.source.name
  name           = basename(var.bundle)
  source         = var.bundle
  source_md5hash = filemd5(var.bundle)
  content_type   = "application/zip"
}

resource "google_artifact_registry_repository" "images" {
  project       = var.project_id
  location      = var.region
  repository_id = "${var.name}-functions"
  description   = "Images that Cloud Functions builds of Twinguard."
  format        = "DOCKER"
  labels        = var.labels

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"

    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "2592000s"
    }
  }
}
