# SPDX-License-Identifier: Apache-2.0
# Every widget has the same keys as its neighbours, and none is empty: the provider does not notice
# a key that was removed, and shows a change for ever where the API drops an empty list.

locals {
  _one_of = {
    for name, values in {
      functions     = values(var.functions)
      dead_letters  = values(var.dead_letter_subscriptions)
      services      = var.services
      subscriptions = var.subscriptions
    } : name => "one_of(${join(",", [for value in sort(values) : jsonencode(value)])})"
  }
  _revisions = "resource.type = \"cloud_run_revision\""
  _run = {
    for name in ["functions", "services"] :
    name => "${local._revisions} AND resource.labels.service_name = ${local._one_of[name]}"
  }
  _waiting = {
    for name in ["dead_letters", "subscriptions"] :
    name => "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = ${local._one_of[name]}"
  }

  _of_money = [
    {
      title   = "Spend of the month as the budget reports it, by status"
      filter  = "${local._revisions} AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.spend.name}\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_MEAN", by = "metric.label.status", seconds = 3600
    },
    {
      title   = "Budget messages"
      filter  = local._published
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = "resource.label.topic_id", seconds = 3600
    },
    {
      title   = "Calls of Google's APIs by service, whole project"
      filter  = "resource.type = \"consumed_api\" AND metric.type = \"serviceruntime.googleapis.com/api/request_count\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = "resource.label.service", seconds = 3600
    },
  ]
  _of_services = [
    {
      title   = "Requests by service"
      filter  = "${local._run.services} AND metric.type = \"run.googleapis.com/request_count\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = "resource.label.service_name", seconds = 600
    },
    {
      title   = "Instances by service"
      filter  = "${local._run.services} AND metric.type = \"run.googleapis.com/container/instance_count\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = "resource.label.service_name", seconds = 600
    },
  ]
  _of_subscriptions = [
    {
      title   = "Unread messages by subscription"
      filter  = "${local._waiting.subscriptions} AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = "resource.label.subscription_id", seconds = 600
    },
    {
      title   = "Age of the oldest unread message by subscription, s"
      filter  = "${local._waiting.subscriptions} AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = "resource.label.subscription_id", seconds = 600
    },
  ]
  _of_twinguard = [
    {
      title   = "Outcomes"
      filter  = "${local._revisions} AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.outcomes.name}\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = "metric.label.outcome", seconds = 600
    },
    {
      title   = "Errors of the functions"
      filter  = "${local._run.functions} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = "resource.label.service_name", seconds = 600
    },
    {
      title   = "Latency of the functions, 95th percentile, ms"
      filter  = "${local._run.functions} AND metric.type = \"run.googleapis.com/request_latencies\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", by = "resource.label.service_name", seconds = 600
    },
    {
      title   = "Dead letters"
      filter  = "${local._waiting.dead_letters} AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = "resource.label.subscription_id", seconds = 60
    },
    {
      title   = "Age of blocks on arrival, 99th percentile, ms"
      filter  = "${local._revisions} AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.block_age.name}\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_99", by = "resource.label.service_name", seconds = 300
    },
  ]
  charts = concat(
    local._of_money,
    [for chart in local._of_services : chart if length(var.services) > 0],
    [for chart in local._of_subscriptions : chart if length(var.subscriptions) > 0],
    local._of_twinguard,
  )
}
