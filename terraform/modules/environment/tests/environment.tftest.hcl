# SPDX-License-Identifier: Apache-2.0
# A misspelt key of the file is refused, wherever it stands.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {}

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
    condition     = setsubtract(keys(output.secret_ids), keys(var.policy.secrets)) == toset(["slack-webhook-url", "smtp-host", "smtp-password", "smtp-user"])
    error_message = "a channel that nothing is routed to needs nothing"
  }
}
