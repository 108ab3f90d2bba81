# SPDX-License-Identifier: Apache-2.0

locals {
  # Written out: Google may make the agent without answering who it is.
  pubsub = "serviceAccount:service-${var.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

# Makes sure that Pub/Sub's service agent exists before it is granted anything.
resource "google_project_service_identity" "pubsub" {
  provider = google-beta

  project = var.project_id
  service = "pubsub.googleapis.com"
}

# The push account alone calls the functions: this is all that keeps a forged message out.
resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = local.functions

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.function[each.key].name # the service has the same
  role     = "roles/run.invoker"
  member   = local.members["push"]
}

resource "google_service_account_iam_member" "push_tokens" {
  service_account_id = google_service_account.account["push"].name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.pubsub

  depends_on = [google_project_service_identity.pubsub]
}

resource "google_pubsub_topic_iam_member" "dead_letters" {
  for_each = local.functions

  project = var.project_id
  topic   = google_pubsub_topic.dead_letters[each.key].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub

  depends_on = [google_project_service_identity.pubsub]
}

# It acknowledges what it has moved to the dead letters.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  for_each = local.functions

  project      = var.project_id
  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub

  depends_on = [google_project_service_identity.pubsub]
}

# Every function tells people through this topic, `dispatch-alert` of messages it cannot read.
resource "google_pubsub_topic_iam_member" "alerts" {
  for_each = local.functions

  project = var.project_id
  topic   = google_pubsub_topic.topic["alerts"].name
  role    = "roles/pubsub.publisher"
  member  = local.members[each.key]
}

# A stolen provider's key is replaced by whoever rotates keys; `on-usage` only asks for it, because
# it reads the most hostile input of all.
resource "google_pubsub_topic_iam_member" "rotation" {
  project = var.project_id
  topic   = var.secret_topic
  role    = "roles/pubsub.publisher"
  member  = local.members["on-usage"]
}

# Whoever guards requests tells what keys were used for, and nobody else: a forged report would be a
# theft that never was.
resource "google_pubsub_topic_iam_member" "usage" {
  for_each = var.reporters

  project = var.project_id
  topic   = google_pubsub_topic.topic["usage-events"].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${each.value}"
}
