# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_pubsub_topic" {
    defaults = { id = "projects/living-twin-staging/topics/twinguard-staging-budget-alerts" }
  }
}

variables {
  billing_account = "012345-567890-ABCDEF"
  budget = {
    name       = "living-twin-staging-budget"
    amount     = 512.75
    thresholds = [{ percent = 75 }, { percent = 100 }]
    forecast   = [{ percent = 90 }]
  }
  environment           = "staging"
  labels                = { environment = "staging" }
  name                  = "twinguard-staging"
  notification_channels = ["projects/living-twin-staging/notificationChannels/1"]
  project_id            = "living-twin-staging"
  project_number        = "123456789012"
}

run "rules_ascend_whatever_they_are_based_on" {
  command = plan

  assert {
    condition     = [for rule in google_billing_budget.budget.threshold_rules : "${rule.spend_basis} ${rule.threshold_percent}"] == ["CURRENT_SPEND 0.75", "FORECASTED_SPEND 0.9", "CURRENT_SPEND 1"]
    error_message = "the order must be the same in each plan"
  }
}

run "an_amount_keeps_its_cents" {
  command = plan

  assert {
    condition     = one(google_billing_budget.budget.amount[0].specified_amount).units == "512" && one(google_billing_budget.budget.amount[0].specified_amount).nanos == 750000000
    error_message = "units and nanos make up the amount"
  }
}

run "the_project_is_named_by_its_number" {
  command = plan

  assert {
    condition     = google_billing_budget.budget.budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "an id sees no cost"
  }
}

run "credits_hide_nothing" {
  command = plan

  assert {
    condition     = google_billing_budget.budget.budget_filter[0].credit_types_treatment == "EXCLUDE_ALL_CREDITS"
    error_message = "a cap is on what is spent"
  }
}

run "costs_of_a_shared_project_are_told_apart_by_label" {
  command = plan
  variables {
    shared = true
  }

  assert {
    condition     = google_billing_budget.budget.budget_filter[0].labels == tomap({ environment = "staging" })
    error_message = "two environments would pay for each other"
  }
}

run "without_an_amount_a_budget_only_reports" {
  command = plan
  variables {
    budget = { name = "watch" }
  }

  assert {
    condition     = google_billing_budget.budget.amount[0].last_period_amount == true && length(google_billing_budget.budget.amount[0].specified_amount) == 0 && length(google_billing_budget.budget.threshold_rules) == 0
    error_message = "there is nothing to reach"
  }
}

run "only_google_publishes_to_the_topic" {
  command = plan

  assert {
    condition     = google_pubsub_topic_iam_member.google.member == "serviceAccount:billing-budget-alert@system.gserviceaccount.com"
    error_message = "a forged message would trip the cap"
  }
}

run "the_budget_writes_to_the_policys_addresses_only" {
  command = plan

  assert {
    condition     = google_billing_budget.budget.all_updates_rule[0].disable_default_iam_recipients && google_billing_budget.budget.all_updates_rule[0].schema_version == "1.0"
    error_message = "administrators of the billing account are not told by default"
  }
}

run "a_budget_without_an_email_channel_is_refused_before_google_does" {
  command = plan
  variables {
    notification_channels = []
  }
  expect_failures = [google_billing_budget.budget]
}

run "more_than_five_channels_are_refused" {
  command = plan
  variables {
    notification_channels = [for n in range(6) : "projects/p/notificationChannels/${n}"]
  }
  expect_failures = [google_billing_budget.budget]
}

run "a_billing_account_of_another_shape_is_refused" {
  command = plan
  variables {
    billing_account = "12345"
  }
  expect_failures = [var.billing_account]
}

run "a_zero_budget_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { amount = 0 })
  }
  expect_failures = [var.budget]
}

run "thresholds_without_an_amount_are_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { amount = null })
  }
  expect_failures = [var.budget]
}

run "a_threshold_of_zero_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { forecast = [{ percent = 0 }] })
  }
  expect_failures = [var.budget]
}

run "a_name_longer_than_sixty_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { name = join("", range(61)) })
  }
  expect_failures = [var.budget]
}

run "a_project_named_by_its_id_is_refused" {
  command = plan
  variables {
    project_number = "living-twin-staging"
  }
  expect_failures = [var.project_number]
}
