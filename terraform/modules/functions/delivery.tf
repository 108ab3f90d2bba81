# SPDX-License-Identifier: Apache-2.0
# How messages reach the functions, and where they end if they never do.

locals {
  # How long a topic itself keeps what it got, beyond what its subscriptions do. Usage is worth
  # reading again: a subscription made later can be set back to the beginning of the month.
  _topics = { alerts = null, schedule = null, usage-events = "2678400s" }
}

resource "google_pubsub_topic" "topic" {
  for_each = local._topics

  project = var.project_id
  name    = "${var.name}-${each.key}"
  labels  = var.labels

  message_retention_duration = each.value
}

resource "google_pubsub_topic" "dead_letters" {
  for_each = local.functions

  project = var.project_id
  name    = "${var.name}-${each.key}-dead-letters"
  labels  = var.labels
}

# A dead-letter topic without a subscription loses what it gets.
resource "google_pubsub_subscription" "dead_letters" {
  for_each = local.functions

  project = var.project_id
  name    = "${var.name}-${each.key}-dead-letters"
  topic   = google_pubsub_topic.dead_letters[each.key].id
  labels  = var.labels

  message_retention_duration = "2678400s" # 31 days, the longest there is

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "push" {
  for_each = local.functions

  project = var.project_id
  name    = "${var.name}-${each.key}"
  topic   = each.value.topic
  labels  = var.labels

  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  push_config {
    push_endpoint = google_cloudfunctions2_function.function[each.key].service_config[0].uri

    oidc_token {
      service_account_email = local.accounts["push"]
      audience              = local.audiences[each.key]
    }
  }

  # A hundred attempts with this back-off take about sixteen hours: an outage of a day's work is
  # survived, and what still fails then is older than most policies act on.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters[each.key].id
    max_delivery_attempts = 100
  }

  expiration_policy {
    ttl = ""
  }

  # Until they are granted, dead letters would be dropped or come back for ever.
  depends_on = [
    google_cloud_run_v2_service_iam_member.push,
    google_pubsub_topic_iam_member.dead_letters,
    # Whoever is told of a secret may rotate it by then; and secrets come after their topic.
    google_secret_manager_secret_iam_member.rotator,
    google_service_account_iam_member.push_tokens,
  ]
}
