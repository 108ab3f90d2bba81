# SPDX-License-Identifier: Apache-2.0
# Messages are unsigned: whoever may publish here can trip the cap. So it is Google's publisher and
# nobody else. Never a binding for this role: connecting a budget adds a member of its own accord.

resource "google_pubsub_topic" "budget_alerts" {
  project = var.project_id
  name    = "${var.name}-budget-alerts"
  labels  = var.labels
}

resource "google_pubsub_topic_iam_member" "google" {
  project = var.project_id
  topic   = google_pubsub_topic.budget_alerts.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"
}
