# SPDX-License-Identifier: Apache-2.0

# Whoever serves models tells what they cost, and nobody else: a forged line would be a forged bill.
resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = var.publishers

  project = var.project_id
  topic   = google_pubsub_topic.usage.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${each.value}"
}

# On this one table: nothing else of the project is written by Pub/Sub.
resource "google_bigquery_table_iam_member" "writer" {
  project    = var.project_id
  dataset_id = google_bigquery_dataset.usage.dataset_id
  table_id   = google_bigquery_table.messages.table_id
  role       = "roles/bigquery.dataEditor"
  member     = var.pubsub_agent
}

resource "google_pubsub_topic_iam_member" "dead_letters" {
  project = var.project_id
  topic   = google_pubsub_topic.dead_letters.name
  role    = "roles/pubsub.publisher"
  member  = var.pubsub_agent
}

# It acknowledges what it has moved to the dead letters.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  project      = var.project_id
  subscription = google_pubsub_subscription.usage.name
  role         = "roles/pubsub.subscriber"
  member       = var.pubsub_agent
}
