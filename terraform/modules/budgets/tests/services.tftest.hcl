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
    amount     = 500
    thresholds = [{ percent = 75 }, { percent = 100 }]
    forecast   = [{ percent = 90 }]
    services = {
      cloud-run = { service = "services/152E-C115-5142", amount = 149.99 }
      vertex-ai = { service = "services/C7E2-9256-1C43", amount = 200 }
    }
  }
  environment           = "staging"
  labels                = { environment = "staging" }
  name                  = "twinguard-staging"
  notification_channels = ["projects/living-twin-staging/notificationChannels/1"]
  project_id            = "living-twin-staging"
  project_number        = "123456789012"
}

run "without_services_there_is_one_budget" {
  command = plan
  variables {
    budget = { name = "watch" }
  }

  assert {
    condition     = length(google_billing_budget.service) == 0
    error_message = "nobody asked for parts"
  }
}

run "each_service_has_a_budget_named_after_the_environments" {
  command = plan

  assert {
    condition = {
      for key, budget in google_billing_budget.service : key => [
        budget.display_name,
        join(" ", budget.budget_filter[0].services),
        one(budget.amount[0].specified_amount).units,
        tostring(one(budget.amount[0].specified_amount).nanos),
      ]
      } == {
      cloud-run = ["living-twin-staging-budget-cloud-run", "services/152E-C115-5142", "149", "990000000"]
      vertex-ai = ["living-twin-staging-budget-vertex-ai", "services/C7E2-9256-1C43", "200", "0"]
    }
    error_message = "name, service and amount must be the policy's"
  }
  assert {
    condition = output.service_budgets == {
      cloud-run = "living-twin-staging-budget-cloud-run"
      vertex-ai = "living-twin-staging-budget-vertex-ai"
    }
    error_message = "names must be told"
  }
}

run "a_services_budget_tells_by_mail_and_never_acts" {
  command = apply

  assert {
    condition = alltrue([
      for budget in google_billing_budget.service : jsonencode([
        budget.all_updates_rule[0].pubsub_topic,
        budget.all_updates_rule[0].monitoring_notification_channels,
        budget.all_updates_rule[0].disable_default_iam_recipients,
      ]) == jsonencode([null, ["projects/living-twin-staging/notificationChannels/1"], true])
    ])
    error_message = "a message of a part would trip the whole's cap"
  }
  assert {
    condition     = google_billing_budget.budget.all_updates_rule[0].pubsub_topic == "projects/living-twin-staging/topics/twinguard-staging-budget-alerts"
    error_message = "the environment's own budget publishes"
  }
}

run "a_part_is_counted_like_the_whole" {
  command = plan
  variables {
    shared = true
  }

  assert {
    condition = alltrue([
      for budget in google_billing_budget.service : [
        budget.budget_filter[0].projects,
        budget.budget_filter[0].labels,
        budget.budget_filter[0].calendar_period,
        budget.budget_filter[0].credit_types_treatment,
        budget.threshold_rules,
        ] == [
        google_billing_budget.budget.budget_filter[0].projects,
        google_billing_budget.budget.budget_filter[0].labels,
        google_billing_budget.budget.budget_filter[0].calendar_period,
        google_billing_budget.budget.budget_filter[0].credit_types_treatment,
        google_billing_budget.budget.threshold_rules,
      ]
    ])
    error_message = "project, label, period, credits and percentages must be the environment's"
  }
  assert {
    condition = [
      for rule in google_billing_budget.service["vertex-ai"].threshold_rules : "${rule.spend_basis} ${rule.threshold_percent}"
    ] == ["CURRENT_SPEND 0.75", "FORECASTED_SPEND 0.9", "CURRENT_SPEND 1"]
    error_message = "actual and forecast percentages, in order"
  }
}

run "parts_may_use_up_the_whole_to_the_last_cent" {
  command = plan
  variables {
    budget = merge(var.budget, {
      amount = 0.3
      services = {
        cloud-run = { service = "services/152E-C115-5142", amount = 0.1 }
        vertex-ai = { service = "services/C7E2-9256-1C43", amount = 0.2 }
      }
    })
  }

  assert {
    condition     = length(google_billing_budget.service) == 2
    error_message = "0.1 and 0.2 are 0.3"
  }
}

run "parts_that_are_more_than_the_whole_are_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { amount = 349.98 })
  }
  expect_failures = [var.budget]
}

run "parts_of_no_amount_are_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { amount = null, thresholds = [], forecast = [] })
  }
  expect_failures = [var.budget]
}

run "a_part_of_nothing_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { services = { vertex-ai = { service = "services/C7E2-9256-1C43", amount = 0 } } })
  }
  expect_failures = [var.budget]
}

run "a_service_by_its_name_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { services = { vertex-ai = { service = "aiplatform.googleapis.com", amount = 1 } } })
  }
  expect_failures = [var.budget]
}

run "a_part_named_in_upper_case_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { services = { VertexAI = { service = "services/C7E2-9256-1C43", amount = 1 } } })
  }
  expect_failures = [var.budget]
}

run "a_part_whose_name_google_finds_too_long_is_refused" {
  command = plan
  variables {
    budget = merge(var.budget, { services = { a-part-with-a-name-of-thirty-four-c = { service = "services/C7E2-9256-1C43", amount = 1 } } })
  }
  expect_failures = [var.budget]
}
