# SPDX-License-Identifier: Apache-2.0
# Whether blocks reach the instances, and how fast. README.md has the shape of the lines.

locals {
  _late       = "blocks arrive late"
  _unheard    = "an instance hears of no blocks"
  _block_age  = "logging_googleapis_com:user_${replace(google_logging_metric.block_age.name, "/[^A-Za-z0-9_]/", "_")}_bucket"
  _last_bound = 100 * var.block_age_ms

  # The limit is a bound, or a percentile would be guessed across it; the last bound lies far above
  # it, or an age beyond all buckets would look like the limit itself.
  _bounds = distinct(concat(
    [10, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000], [var.block_age_ms, local._last_bound]
  ))
  block_age_bounds = [
    for bound in sort([for bound in local._bounds : format("%012d", bound)]) : tonumber(bound)
    if tonumber(bound) <= local._last_bound
  ]
}

locals {
  # Of any service: the application's, the gateway, and who else puts the middleware before itself.
  _block_lines = join(" AND ", [
    "resource.type = \"cloud_run_revision\"",
    "jsonPayload.logger = \"twinguard\"",
    "jsonPayload.environment = \"${var.environment}\"",
  ])
}

resource "google_logging_metric" "block_age" {
  project         = var.project_id
  name            = "${local.name}-block-age"
  description     = "Milliseconds from a block's making to the moment an instance keeps it."
  value_extractor = "EXTRACT(jsonPayload.age_ms)"
  filter          = "${local._block_lines} AND jsonPayload.event = \"block_received\""

  bucket_options {
    explicit_buckets {
      bounds = local.block_age_bounds
    }
  }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "DISTRIBUTION"
    unit         = "ms"
    display_name = "${local.title}: age of blocks on arrival"
  }
}

resource "google_monitoring_alert_policy" "late_blocks" {
  project               = var.project_id
  display_name          = "${local.title}: ${local._late}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = local._late

    # PromQL, because the other kind of condition is refused until the metric has existed for some
    # minutes, and the first apply would fail.
    condition_prometheus_query_language {
      query                     = "histogram_quantile(0.99, sum by (service_name, le) (increase(${local._block_age}{monitored_resource=\"cloud_run_revision\"}[5m]))) > ${var.block_age_ms}"
      duration                  = "0s"
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close           = "86400s"
    notification_prompts = ["OPENED", "CLOSED"]
  }

  documentation {
    subject   = "${local.title}: ${local._late}"
    mime_type = "text/markdown"
    content   = <<-EOT
      **What it means.** Within five minutes, more than one in a hundred instances of a service took longer than ${var.block_age_ms} ms to learn of a blocked key. Until it learns, an instance that cannot ask the shared store lets the key through.

      **What to do.** The label `service_name` names the service; its log lines `block_received` show which instances. All of them late: the sender or its connection is slow. A few: they are starved of processor time, as instances between two requests are where the processor is not always allocated.
    EOT
  }
}

resource "google_monitoring_alert_policy" "unheard_blocks" {
  project               = var.project_id
  display_name          = "${local.title}: ${local._unheard}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = local.labels

  conditions {
    display_name = local._unheard

    condition_matched_log {
      filter = "${local._block_lines} AND jsonPayload.event = \"block_list_stale\""
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    subject   = "${local.title}: ${local._unheard}"
    mime_type = "text/markdown"
    content   = <<-EOT
      **What it means.** An instance has had no word from the store of the counters for a minute or more (`age_seconds`): the blocks it knows hold, a key that is blocked now it would let through, unless the policy says `closed`.

      **What to do.** The log line names the service and the instance. All of them at once: the store is down, or its address, network or role changed; `make doctor ENV=${var.environment}` says which. One alone: it is cut off, and a new revision replaces it. When the store answers again everything goes on by itself.
    EOT
  }
}
