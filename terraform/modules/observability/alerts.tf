# SPDX-License-Identifier: Apache-2.0
# Metric alerts of one shape. Each says in its documentation what it means and what to do.

locals {
  channels = sort([for channel in google_monitoring_notification_channel.email : channel.id])

  _dead_letters = {
    for entry_point, subscription in var.dead_letter_subscriptions : "dead letters of ${entry_point}" => {
      severity  = "CRITICAL"
      metric    = "pubsub.googleapis.com/subscription/num_undelivered_messages"
      resource  = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${subscription}\""
      above     = 0
      seconds   = 60
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_MAX"
      means     = "${entry_point} failed on a message until Pub/Sub gave it up: an alert, a cap or a wake-up did not happen."
      what_next = "Read it with `gcloud pubsub subscriptions pull ${subscription} --limit=10`, find the reason in the function's log, remove it, publish the message to its topic again, and only then acknowledge it here."
    }
  }
  _lost_usage = {
    for subscription in var.usage_dead_letters[*] : "dead letters of models' usage" => {
      severity  = "ERROR"
      metric    = "pubsub.googleapis.com/subscription/num_undelivered_messages"
      resource  = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${subscription}\""
      above     = 0
      seconds   = 60
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_MAX"
      means     = "BigQuery did not take what the gateway told of calls to models: costs, statements and a rebuilt ledger lack them. Budgets go on without."
      what_next = "Read one with `gcloud pubsub subscriptions pull ${subscription} --limit=1`: what is no JSON was not published by the gateway, so find out who may publish. Otherwise publish them to the topic again, and only then acknowledge them here."
    }
  }
  _errors = {
    for entry_point, service in var.functions : "errors of ${entry_point}" => {
      severity  = "ERROR"
      metric    = "run.googleapis.com/request_count"
      resource  = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${service}\" AND metric.labels.response_code_class = \"5xx\""
      above     = 2
      seconds   = 600
      aligner   = "ALIGN_DELTA"
      reducer   = "REDUCE_SUM"
      means     = "${entry_point} answered three requests or more within ten minutes with an error; Pub/Sub delivers them again until it gives up."
      what_next = "Look for the outcome `retry` and its reason in the log of ${service}: an API that does not answer heals by itself, a missing permission or setting does not. A revision that cannot start names the setting in its first line."
    }
  }
  alerts = merge(local._dead_letters, local._lost_usage, local._errors)
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = "${local.title}: ${each.key}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = each.key

    condition_threshold {
      filter          = "${each.value.resource} AND metric.type = \"${each.value.metric}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "0s"

      aggregations {
        alignment_period     = "${each.value.seconds}s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }
      trigger {
        count = 1
      }
    }
  }

  # A metric alert takes no rate limit: one message when it opens, one when it closes.
  alert_strategy {
    auto_close           = "86400s"
    notification_prompts = ["OPENED", "CLOSED"]
  }

  documentation {
    subject   = "${local.title}: ${each.key}"
    mime_type = "text/markdown"
    content   = "**What it means.** ${each.value.means}\n\n**What to do.** ${each.value.what_next}"
  }
}
