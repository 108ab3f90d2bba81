# SPDX-License-Identifier: Apache-2.0
# One account for each function, so that each may do only what its entry point does; one for the
# pushes, which may only call; one for the build, which may only build.

locals {
  # Short: an id has thirty characters.
  _account_ids = {
    on-budget-alert = "${var.name}-budget"
    on-schedule     = "${var.name}-schedule"
    on-secret-event = "${var.name}-secrets"
    on-usage        = "${var.name}-usage"
    dispatch-alert  = "${var.name}-alerts"
    push            = "${var.name}-push"
    build           = "${var.name}-build"
  }

  # Not by the functions' settings: those wait for the stores, which wait for the accounts.
  entry_points = [for name in keys(local._account_ids) : name if !contains(["push", "build"], name)]

  # Written out, because the provider knows an e-mail only after apply.
  accounts = {
    for name, id in local._account_ids : name => "${id}@${var.project_id}.iam.gserviceaccount.com"
  }

  # After the account, and yet known before it is there: a plan says who is granted what.
  members = {
    for name, account in google_service_account.account :
    name => "serviceAccount:${account.account_id}@${var.project_id}.iam.gserviceaccount.com"
  }
}

resource "google_service_account" "account" {
  for_each = local._account_ids

  project      = var.project_id
  account_id   = each.value
  display_name = "Twinguard, ${var.environment}: ${each.key}"
}

# What Google asks of an account that builds functions, and nothing of the project's own.
resource "google_project_iam_member" "build_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = local.members["build"]
}

# Cloud Functions copies the sources into a bucket of its own before it builds them.
resource "google_project_iam_member" "build_sources" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = local.members["build"]

  condition {
    title      = "only sources of functions"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\")"
  }
}

resource "google_storage_bucket_iam_member" "build_bundle" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = local.members["build"]
}

resource "google_artifact_registry_repository_iam_member" "build_images" {
  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.writer"
  member     = local.members["build"]
}
