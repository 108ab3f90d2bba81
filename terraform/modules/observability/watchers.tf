# SPDX-License-Identifier: Apache-2.0
# The two alerts of another shape: silence where there must be messages, and callers we refused.

locals {
  _silence = "no budget message for 6 hours"
  _refused = "a caller was refused"
  _published = join(" AND ", [
    "resource.type = \"pubsub_topic\"",
    "resource.labels.topic_id = \"${var.budget_topic}\"",
    "metric.type = \"pubsub.googleapis.com/topic/send_request_count\"",
    "metric.labels.response_class = \"success\"",
  ])
}

resource "google_monitoring_alert_policy" "silence" {
  project               = var.project_id
  display_name          = "${local.title}: ${local._silence}"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = local._silence

    condition_absent {
      filter   = local._published
      duration = "21600s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
      trigger {
        count = 1
      }
    }
  }

  # Pub/Sub may go on reporting a topic that nobody publishes to, with zeros: absent it is not then.
  conditions {
    display_name = "zero messages in 6 hours"

    condition_threshold {
      filter          = local._published
      comparison      = "COMPARISON_LT"
      threshold_value = 1
      duration        = "0s"

      aggregations {
        alignment_period     = "21600s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
      trigger {
        count = 1
      }
    }
  }

  alert_strategy {
    auto_close           = "604800s"
    notification_prompts = ["OPENED", "CLOSED"]
  }

  documentation {
    subject   = "${local.title}: ${local._silence}"
    mime_type = "text/markdown"
    content   = <<-EOT
      **What it means.** Google publishes the state of a budget several times a day, even when nothing is spent. Nothing came for six hours, so a cap would not happen, and nobody else notices. Before a budget's first message nothing can be missing: this alert is silent until then.

      **What to do.** Check that the budget still names the topic ${var.budget_topic}, that billing-budget-alert@system.gserviceaccount.com may publish to it, and that no organisation policy forbids that; then `make plan ENV=${var.environment}` shows what is missing. Until messages come again, watch the spend by hand.
    EOT
  }
}

resource "google_monitoring_alert_policy" "refused" {
  project               = var.project_id
  display_name          = "${local.title}: ${local._refused}"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = local._refused

    condition_matched_log {
      filter = "${local.our_lines} AND jsonPayload.outcome = \"refused\""
      label_extractors = {
        entry_point = "EXTRACT(jsonPayload.event)"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    subject   = "${local.title}: ${local._refused}"
    mime_type = "text/markdown"
    content   = <<-EOT
      **What it means.** Somebody got past Cloud Run's IAM and called a function without being its push subscription: a forged call, or a subscription whose account or audience no longer fits.

      **What to do.** Read the reason in the log line. If it is our own subscription, `make plan ENV=${var.environment}` shows the setting that differs. If not, find who holds run.invoker on the service and take it away.
    EOT
  }
}
