# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

mock_provider "google-beta" {}

variables {
  bundle      = "../../../.cache/bundle"
  environment = "staging"
  raw_policy  = {}
  policy = {
    environment     = "staging"
    project         = { id = "living-twin-staging", shared = false }
    billing_account = "012345-567890-ABCDEF"
    region          = "europe-west1"
    labels          = { application = "living-twin" }
    budget = {
      name       = "living-twin-staging-budget"
      amount     = 500
      currency   = "USD"
      thresholds = [{ percent = 75, level = "medium" }, { percent = 100, level = "critical" }]
      forecast   = [{ percent = 100, level = "medium" }]
      cap = {
        enabled        = true
        percent        = 100
        stop_serving   = true
        unlink_billing = false
        release        = { reads = 2, apart_minutes = 10 }
        rearm_percent  = 10
      }
    }
    services      = { living-twin-api = { critical = true }, living-twin-worker = { critical = false } }
    subscriptions = { living-twin-push = { critical = false } }
    schedule = {
      time_zone     = "Europe/Brussels"
      night         = { at = "02:00", days = ["mon", "tue"] }
      morning       = { at = "06:30", days = ["mon", "tue"] }
      services      = ["living-twin-worker"]
      subscriptions = ["living-twin-push"]
      skip          = []
    }
    alerts = {
      routes   = { low = ["email"], critical = ["email", "slack"] }
      storm    = { messages = 10, minutes = 10 }
      contacts = ["security@example.com"]
      versions = {}
    }
    events    = { max_age_hours = 24 }
    retention = { audit_days = 400, history_days = 400 }
  }
}

run "a_misspelt_key_of_the_file_is_refused" {
  command = plan
  variables {
    raw_policy = { amuont = 1 }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_the_budget_is_refused" {
  command = plan
  variables {
    raw_policy = { budget = { amuont = 1 } }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_the_cap_is_refused" {
  command = plan
  variables {
    raw_policy = { budget = { cap = { enable = true } } }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_a_threshold_is_refused" {
  command = plan
  variables {
    raw_policy = { budget = { thresholds = [{ percent = 75, level = "medium", lvl = 1 }] } }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_a_service_is_refused" {
  command = plan
  variables {
    raw_policy = { services = { living-twin-api = { critical = true, crit = 1 } } }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_a_subscription_is_refused" {
  command = plan
  variables {
    raw_policy = { subscriptions = { living-twin-push = { critical = true, zone = 1 } } }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_the_night_is_refused" {
  command = plan
  variables {
    raw_policy = { schedule = { night = { at = "02:00", day = [] } } }
  }
  expect_failures = [output.policy]
}

run "a_misspelt_key_of_the_storm_is_refused" {
  command = plan
  variables {
    raw_policy = { alerts = { storm = { hours = 1 } } }
  }
  expect_failures = [output.policy]
}

run "names_begin_with_twinguard_and_the_environment" {
  command = plan

  assert {
    condition     = alltrue([for name in concat(values(output.functions), values(output.topics), values(output.dead_letter_subscriptions), [output.budget_topic]) : startswith(name, "twinguard-staging-")])
    error_message = "the control plane is known by its names"
  }
}

run "defaults_are_those_of_python" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = { name = "watch" }, schedule = null, retention = {} })
  }

  assert {
    condition     = output.policy.budget.cap == { enabled = false, percent = 100, stop_serving = false, unlink_billing = false, release = { reads = 2, apart_minutes = 10 }, rearm_percent = 10 }
    error_message = "a cap is off unless it is asked for"
  }

  assert {
    condition     = output.policy.schedule == null
    error_message = "nothing sleeps unless it is asked for"
  }

  assert {
    condition     = output.policy.retention == { audit_days = 400, history_days = 400 }
    error_message = "records are kept for 400 days"
  }
}

run "a_bare_date_stays_a_date" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { skip = ["2026-12-25T00:00:00Z"] }) })
  }

  assert {
    condition     = output.policy.schedule.skip == ["2026-12-25"]
    error_message = "YAML readers make a time of a date"
  }
}

run "a_budget_without_an_amount_is_watched" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = { name = "watch" } })
  }

  assert {
    condition     = output.policy.budget.amount == null
    error_message = "an amount may be left out"
  }
}

run "only_routed_channels_have_secrets" {
  command = plan

  assert {
    condition     = keys(output.secret_ids) == ["slack-webhook-url", "smtp-host", "smtp-password", "smtp-user"]
    error_message = "a channel that nothing is routed to needs nothing"
  }
}
