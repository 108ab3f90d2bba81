# SPDX-License-Identifier: Apache-2.0
# Parts of the budget, one for each Google service that the policy names. They write to people and
# publish nothing: the cap belongs to the environment's budget alone, which is known by its name.

resource "google_billing_budget" "service" {
  for_each = var.budget.services

  billing_account = var.billing_account
  display_name    = "${var.budget.name}-${each.key}"
  ownership_scope = "BILLING_ACCOUNT"

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(floor(each.value.amount))
      nanos         = floor((each.value.amount - floor(each.value.amount)) * 1000000000 + 0.5)
    }
  }

  budget_filter {
    projects               = local.projects
    labels                 = local.cost_labels
    services               = [each.value.service]
    calendar_period        = "MONTH"
    credit_types_treatment = "EXCLUDE_ALL_CREDITS"
  }

  dynamic "threshold_rules" {
    for_each = local.rules

    content {
      spend_basis       = threshold_rules.value.basis
      threshold_percent = threshold_rules.value.percent / 100
    }
  }

  all_updates_rule {
    schema_version                   = "1.0"
    monitoring_notification_channels = var.notification_channels
    disable_default_iam_recipients   = true
  }
}
