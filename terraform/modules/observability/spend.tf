# SPDX-License-Identifier: Apache-2.0
# What Google's budget says is spent: the line of on_budget_alert says `within: 300 of 500 USD`, or
# `capped: …`. It is hours old when it comes, and the only figure of money that Monitoring can show.

resource "google_logging_metric" "spend" {
  project         = var.project_id
  name            = "${local.name}-spend"
  description     = "Spend of the month in the budget's currency, with each budget message, by status."
  filter          = "${local.our_lines} AND jsonPayload.event = \"on_budget_alert\" AND jsonPayload.outcome = \"done\" AND jsonPayload.decision =~ \"^(capped|within): [0-9.]+ of \""
  value_extractor = "REGEXP_EXTRACT(jsonPayload.decision, \"^[a-z]+: ([0-9.]+) of \")"

  label_extractors = {
    status = "REGEXP_EXTRACT(jsonPayload.decision, \"^([a-z]+): \")"
  }

  # Only the mean is shown, and it needs no buckets; a distribution must have some.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 40
      growth_factor      = 2
      scale              = 0.01
    }
  }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "DISTRIBUTION"
    unit         = "1"
    display_name = "${local.title}: spend of the month"

    labels {
      key         = "status"
      value_type  = "STRING"
      description = "Whether the budget's cap is in force: within or capped."
    }
  }
}
