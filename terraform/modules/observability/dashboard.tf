# SPDX-License-Identifier: Apache-2.0

locals {
  _one_of = {
    functions     = join(",", [for service in sort(values(var.functions)) : jsonencode(service)])
    subscriptions = join(",", [for subscription in sort(values(var.dead_letter_subscriptions)) : jsonencode(subscription)])
  }
  _of_functions = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = one_of(${local._one_of.functions})"
  charts = [
    {
      title   = "Budget messages"
      filter  = local._published
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = [], seconds = 3600
    },
    {
      title   = "Outcomes"
      filter  = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.outcomes.name}\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = ["metric.label.outcome"], seconds = 600
    },
    {
      title   = "Errors of the functions"
      filter  = "${local._of_functions} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_SUM", by = ["resource.label.service_name"], seconds = 600
    },
    {
      title   = "Latency of the functions, 95th percentile, ms"
      filter  = "${local._of_functions} AND metric.type = \"run.googleapis.com/request_latencies\""
      aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", by = ["resource.label.service_name"], seconds = 600
    },
    {
      title   = "Dead letters"
      filter  = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = one_of(${local._one_of.subscriptions}) AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"], seconds = 60
    },
  ]
}

resource "google_monitoring_dashboard" "overview" {
  project = var.project_id
  dashboard_json = jsonencode({
    displayName = local.title
    gridLayout = {
      columns = "2"
      widgets = [
        for chart in local.charts : {
          title = chart.title
          xyChart = {
            dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter = chart.filter
                  aggregation = {
                    alignmentPeriod    = "${chart.seconds}s"
                    perSeriesAligner   = chart.aligner
                    crossSeriesReducer = chart.reducer
                    groupByFields      = chart.by
                  }
                }
              }
            }]
          }
        }
      ]
    }
  })
}
