# SPDX-License-Identifier: Apache-2.0

resource "google_pubsub_topic" "secret_events" {
  project = var.project_id
  name    = "${var.prefix}-${var.environment}-secret-events"
  labels  = local.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}
