# SPDX-License-Identifier: Apache-2.0
# One member on one secret at a time: nobody reads all secrets of a project.

locals {
  _readers = flatten([
    for name, secret in var.secrets : [
      for reader in distinct(secret.readers) : { secret = name, reader = reader }
    ]
  ])
  readers = { for item in local._readers : "${item.secret} ${item.reader}" => item }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.secret[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value.reader == "application" ? local.application : each.value.reader

  # A reader may name the application by its address.
  depends_on = [google_service_account.application]
}

# Only what the policy names. There is no role here that publishes: a topic is granted one by one.
resource "google_project_iam_member" "application" {
  for_each = var.application_roles

  project = var.project_id
  role    = each.value
  member  = local.application
}

# Secret Manager's service agent does not exist before somebody asks for it.
resource "google_project_service_identity" "secret_manager" {
  provider = google-beta

  project = var.project_id
  service = "secretmanager.googleapis.com"
}

resource "google_pubsub_topic_iam_member" "secret_manager" {
  project = var.project_id
  topic   = google_pubsub_topic.secret_events.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:service-${var.project_number}@gcp-sa-secretmanager.iam.gserviceaccount.com"

  depends_on = [google_project_service_identity.secret_manager]
}
