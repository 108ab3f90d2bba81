# SPDX-License-Identifier: Apache-2.0
# The budget of one environment. Google's amounts are hours late: it is the slow truth.

locals {
  _rules = concat(
    [for rule in var.budget.thresholds : { percent = rule.percent, basis = "CURRENT_SPEND" }],
    [for rule in var.budget.forecast : { percent = rule.percent, basis = "FORECASTED_SPEND" }],
  )
  _by_rank = { for rule in local._rules : format("%012.4f %s", rule.percent, rule.basis) => rule }

  # The API keeps a list: the same order each time, or every plan shows a change.
  rules = [for rank in sort(keys(local._by_rank)) : local._by_rank[rank]]

  # The number: the API takes an id, and then never sees any cost.
  projects    = ["projects/${var.project_number}"]
  cost_labels = var.shared ? { environment = var.environment } : null
}

resource "google_billing_budget" "budget" {
  billing_account = var.billing_account
  display_name    = var.budget.name
  ownership_scope = "BILLING_ACCOUNT"

  amount {
    # Without an amount there is nothing to reach: the budget only reports what is spent.
    last_period_amount = var.budget.amount == null ? true : null

    dynamic "specified_amount" {
      for_each = var.budget.amount[*]

      content {
        currency_code = var.budget.currency
        units         = tostring(floor(specified_amount.value))
        nanos         = floor((specified_amount.value - floor(specified_amount.value)) * 1000000000 + 0.5)
      }
    }
  }

  budget_filter {
    projects               = local.projects
    labels                 = local.cost_labels
    calendar_period        = "MONTH"
    credit_types_treatment = "EXCLUDE_ALL_CREDITS" # credits hide what is really spent
  }

  dynamic "threshold_rules" {
    for_each = local.rules

    content {
      spend_basis       = threshold_rules.value.basis
      threshold_percent = threshold_rules.value.percent / 100
    }
  }

  all_updates_rule {
    pubsub_topic                     = google_pubsub_topic.budget_alerts.id
    schema_version                   = "1.0"
    monitoring_notification_channels = var.notification_channels
    # The addresses of the policy are told, not everybody who administers the billing account.
    disable_default_iam_recipients = true
  }

  lifecycle {
    precondition {
      condition     = length(var.notification_channels) > 0
      error_message = "The budget has nobody to write to, and Google answers that with a bare 400: a budget with a topic needs an e-mail recipient as well. Add an address to alerts.contacts in environments/${var.environment}/policy.yaml."
    }
    precondition {
      condition     = length(var.notification_channels) <= 5
      error_message = "A budget takes at most five e-mail channels; shorten alerts.contacts in environments/${var.environment}/policy.yaml."
    }
  }

  # Or the first messages are lost, and nobody is told.
  depends_on = [google_pubsub_topic_iam_member.google]
}
