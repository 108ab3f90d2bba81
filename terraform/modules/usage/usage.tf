# SPDX-License-Identifier: Apache-2.0
# What models cost, call by call: told by the gateway, written by Pub/Sub itself into a table.

locals {
  # Known before anything is made, so that grants never wait for it.
  dataset = "${replace(var.name, "-", "_")}_usage"
  table   = "messages"
}

resource "google_pubsub_topic" "usage" {
  project = var.project_id
  name    = "${var.name}-llm-usage"
  labels  = var.labels

  # A table that was lost or changed can be filled again from here, as far back as this goes.
  message_retention_duration = "2678400s"
}

resource "google_bigquery_dataset" "usage" {
  project     = var.project_id
  dataset_id  = local.dataset
  location    = var.region
  description = "Calls to language models in ${var.environment}, as the gateway told them."
  labels      = var.labels

  delete_contents_on_destroy = !var.deletion_protection
}

# A row is a message as it was published, a JSON list of lines: their names have dots, which no
# column may have, and a new field of a line is no change here. billing/llm_usage.sql reads them.
resource "google_bigquery_table" "messages" {
  project                  = var.project_id
  dataset_id               = google_bigquery_dataset.usage.dataset_id
  table_id                 = local.table
  description              = "Lines of the usage log, a list in each row; Twinguard's billing/llm_usage.sql reads them."
  labels                   = var.labels
  deletion_protection      = var.deletion_protection
  require_partition_filter = true

  # What Pub/Sub writes, column by column.
  schema = jsonencode([
    { name = "subscription_name", type = "STRING", mode = "NULLABLE", description = "Who wrote the row." },
    { name = "message_id", type = "STRING", mode = "NULLABLE", description = "Pub/Sub's own; a repeated message has it again." },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE", description = "When it was published." },
    { name = "data", type = "JSON", mode = "NULLABLE", description = "The message: a list of lines." },
    { name = "attributes", type = "JSON", mode = "NULLABLE", description = "The message's attributes." },
  ])

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = var.days * 86400000
  }
}

resource "google_pubsub_subscription" "usage" {
  project = var.project_id
  name    = "${var.name}-llm-usage"
  topic   = google_pubsub_topic.usage.id
  labels  = var.labels

  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  bigquery_config {
    table          = "${var.project_id}.${google_bigquery_dataset.usage.dataset_id}.${google_bigquery_table.messages.table_id}"
    write_metadata = true
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = 100
  }

  expiration_policy {
    ttl = ""
  }

  # Google refuses a subscription whose writer may not write yet.
  depends_on = [
    google_bigquery_table_iam_member.writer,
    google_pubsub_topic_iam_member.dead_letters,
  ]
}

resource "google_pubsub_topic" "dead_letters" {
  project = var.project_id
  name    = "${var.name}-llm-usage-dead-letters"
  labels  = var.labels
}

# A dead-letter topic without a subscription loses what it gets.
resource "google_pubsub_subscription" "dead_letters" {
  project = var.project_id
  name    = "${var.name}-llm-usage-dead-letters"
  topic   = google_pubsub_topic.dead_letters.id
  labels  = var.labels

  message_retention_duration = "2678400s" # 31 days, the longest there is

  expiration_policy {
    ttl = ""
  }
}
