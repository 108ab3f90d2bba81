# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  audit_days   = 400
  budget_topic = "twinguard-staging-budget-alerts"
  contacts     = ["platform@company.com", "finance@company.com"]
  dead_letter_subscriptions = {
    on_budget_alert = "twinguard-staging-budget-alerts-dead-letters"
  }
  environment = "staging"
  functions = {
    on_budget_alert = "twinguard-staging-on-budget-alert"
    on_schedule     = "twinguard-staging-on-schedule"
  }
  labels     = { application = "living-twin" }
  prefix     = "twinguard"
  project_id = "living-twin-staging"
}

run "refuses_to_keep_the_audit_log_for_no_day" {
  command = plan
  variables {
    audit_days = 0
  }
  expect_failures = [var.audit_days]
}

run "refuses_to_alert_nobody" {
  command = plan
  variables {
    contacts = []
  }
  expect_failures = [var.contacts]
}

run "refuses_more_contacts_than_a_budget_takes" {
  command = plan
  variables {
    contacts = ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org", "f@x.org"]
  }
  expect_failures = [var.contacts]
}

run "refuses_a_contact_that_is_no_address" {
  command = plan
  variables {
    contacts = ["#alerts"]
  }
  expect_failures = [var.contacts]
}

run "refuses_an_environment_that_does_not_exist" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [var.environment]
}

run "refuses_to_watch_no_function" {
  command = plan
  variables {
    functions = {}
  }
  expect_failures = [var.functions]
}

run "refuses_dead_letters_that_nobody_keeps" {
  command = plan
  variables {
    dead_letter_subscriptions = {}
  }
  expect_failures = [var.dead_letter_subscriptions]
}

run "refuses_an_age_of_blocks_that_nothing_can_keep" {
  command = plan
  variables {
    block_age_ms = 0
  }
  expect_failures = [var.block_age_ms]
}
