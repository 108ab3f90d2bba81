# SPDX-License-Identifier: Apache-2.0

locals {
  about = {
    title = "Where the money is seen"
    text = {
      format = "MARKDOWN"
      content = chomp(<<-EOT
        **Spend of the month.** The first chart repeats Google's budget, hours late. Billing in the console has the figures: *Budgets & alerts* for the budget and its thresholds, *Reports* for ${var.project_id} by service and by the label `environment`.

        **By customer.** Monitoring knows no customers. *Reports* can be grouped by a label, as far as what a customer uses has resources of its own that carry one.

        **Budget status.** `within` or `capped`, in the first chart. A month without a chart is a month without budget messages.
      EOT
      )
    }
  }
}

resource "google_monitoring_dashboard" "overview" {
  project = var.project_id
  dashboard_json = jsonencode({
    displayName = local.title
    gridLayout = {
      columns = "2"
      widgets = concat([local.about], [
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
                    groupByFields      = [chart.by]
                  }
                }
              }
            }]
          }
        }
      ])
    }
  })
}
