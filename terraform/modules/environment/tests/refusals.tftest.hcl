# SPDX-License-Identifier: Apache-2.0
# Every rule of policy.py, broken once. What is said is compared in tests/terraform/test_plans.py.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {}

run "a_policy_of_another_environment_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { environment = "production" })
  }
  expect_failures = [var.policy]
}

run "a_project_id_that_google_would_refuse_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { project = { id = "Living_Twin" } })
  }
  expect_failures = [var.policy]
}

run "a_missing_billing_account_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { billing_account = null })
  }
  expect_failures = [var.policy]
}

run "a_billing_account_of_another_shape_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { billing_account = "12345" })
  }
  expect_failures = [var.policy]
}

run "a_region_that_is_none_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { region = "Europe" })
  }
  expect_failures = [var.policy]
}

run "a_label_in_capitals_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { labels = { Owner = "platform" } })
  }
  expect_failures = [var.policy]
}

run "an_environment_without_a_budget_is_not_deployed" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = null })
  }
  expect_failures = [var.policy]
}

run "a_budget_name_longer_than_sixty_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { name = "${join("", range(61))}" }) })
  }
  expect_failures = [var.policy]
}

run "a_zero_budget_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { amount = 0 }) })
  }
  expect_failures = [var.policy]
}

run "a_currency_in_small_letters_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { currency = "usd" }) })
  }
  expect_failures = [var.policy]
}

run "a_cap_without_an_amount_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { amount = null }) })
  }
  expect_failures = [var.policy]
}

run "thresholds_without_an_amount_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { amount = null, cap = { enabled = false } }) })
  }
  expect_failures = [var.policy]
}

run "a_threshold_of_zero_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { thresholds = [{ percent = 0, level = "low" }, { percent = 100, level = "critical" }] }) })
  }
  expect_failures = [var.policy]
}

run "thresholds_that_descend_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { thresholds = [{ percent = 100, level = "critical" }, { percent = 75, level = "low" }] }) })
  }
  expect_failures = [var.policy]
}

run "a_threshold_twice_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { forecast = [{ percent = 100, level = "low" }, { percent = 100, level = "low" }] }) })
  }
  expect_failures = [var.policy]
}

run "a_threshold_with_an_unknown_level_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { thresholds = [{ percent = 100, level = "worst" }] }) })
  }
  expect_failures = [var.policy]
}

run "a_cap_that_no_threshold_reaches_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { thresholds = [{ percent = 75, level = "medium" }] }) })
  }
  expect_failures = [var.policy]
}

run "a_cap_of_zero_percent_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { cap = merge(var.policy.budget.cap, { enabled = false, percent = 0 }) }) })
  }
  expect_failures = [var.policy]
}

run "rearming_at_zero_percent_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { cap = merge(var.policy.budget.cap, { rearm_percent = 0 }) }) })
  }
  expect_failures = [var.policy]
}

run "unlinking_without_stopping_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { cap = merge(var.policy.budget.cap, { stop_serving = false, unlink_billing = true }) }) })
  }
  expect_failures = [var.policy]
}

run "more_than_five_confirming_reads_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { cap = merge(var.policy.budget.cap, { release = { reads = 6 } }) }) })
  }
  expect_failures = [var.policy]
}

run "half_a_confirming_read_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { cap = merge(var.policy.budget.cap, { release = { reads = 1.5 } }) }) })
  }
  expect_failures = [var.policy]
}

run "confirming_reads_half_a_day_apart_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { cap = merge(var.policy.budget.cap, { release = { apart_minutes = 721 } }) }) })
  }
  expect_failures = [var.policy]
}

run "a_service_with_a_name_that_cloud_run_refuses_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { services = { Worker = { critical = false } }, schedule = null })
  }
  expect_failures = [var.policy]
}

run "our_own_control_plane_is_never_a_target" {
  command = plan
  variables {
    policy = merge(var.policy, { services = { twinguard-staging-on-schedule = { critical = false } }, schedule = null })
  }
  expect_failures = [var.policy]
}

run "a_subscription_of_eventarc_is_never_a_target" {
  command = plan
  variables {
    policy = merge(var.policy, { subscriptions = { eventarc-europe-west1 = { critical = false } }, schedule = null })
  }
  expect_failures = [var.policy]
}

run "an_account_that_is_no_email_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { subscriptions = { living-twin-push = { critical = false, account = "push" } } })
  }
  expect_failures = [var.policy]
}

run "a_schedule_of_an_unknown_service_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { services = ["living-twin-apo"] }) })
  }
  expect_failures = [var.policy]
}

run "a_schedule_of_an_unknown_subscription_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { subscriptions = ["ingest"] }) })
  }
  expect_failures = [var.policy]
}

run "a_time_zone_that_is_none_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { time_zone = "brussels time" }) })
  }
  expect_failures = [var.policy]
}

run "a_time_of_day_past_midnight_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { night = { at = "24:00", days = ["mon"] } }) })
  }
  expect_failures = [var.policy]
}

run "a_schedule_without_days_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { night = { at = "02:00", days = [] } }) })
  }
  expect_failures = [var.policy]
}

run "a_day_twice_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { morning = { at = "06:30", days = ["mon", "mon"] } }) })
  }
  expect_failures = [var.policy]
}

run "a_day_that_is_none_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { morning = { at = "06:30", days = ["monday"] } }) })
  }
  expect_failures = [var.policy]
}

run "a_night_that_ends_when_it_begins_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { night = { at = "06:30", days = ["mon"] } }) })
  }
  expect_failures = [var.policy]
}

run "a_date_that_is_none_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { schedule = merge(var.policy.schedule, { skip = ["christmas"] }) })
  }
  expect_failures = [var.policy]
}

run "a_route_for_an_unknown_level_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { routes = { lowish = ["email"] } }) })
  }
  expect_failures = [var.policy]
}

run "a_route_to_an_unknown_channel_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { routes = { low = ["fax"] } }) })
  }
  expect_failures = [var.policy]
}

run "a_storm_of_no_messages_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { storm = { messages = 0 } }) })
  }
  expect_failures = [var.policy]
}

run "a_budget_that_writes_to_nobody_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { contacts = [] }) })
  }
  expect_failures = [var.policy]
}

run "more_than_five_contacts_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { contacts = [for n in range(6) : "person${n}@example.com"] }) })
  }
  expect_failures = [var.policy]
}

run "a_contact_that_is_no_address_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { contacts = ["security"] }) })
  }
  expect_failures = [var.policy]
}

run "a_version_of_an_unknown_setting_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { versions = { SMTP_PASWORD = 1 } }) })
  }
  expect_failures = [var.policy]
}

run "a_version_below_one_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { versions = { SMTP_PASSWORD = 0 } }) })
  }
  expect_failures = [var.policy]
}

run "events_older_than_a_month_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { events = { max_age_hours = 745 } })
  }
  expect_failures = [var.policy]
}

run "records_kept_for_no_day_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { retention = { audit_days = 0 } })
  }
  expect_failures = [var.policy]
}

run "a_limit_on_models_beyond_what_is_counted_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { spending = { limits = { "tenant:*" = 9007200 } } })
  }
  expect_failures = [var.policy]
}

run "a_limit_on_models_of_nobody_known_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { spending = { limits = { "customer:acme" = 5 } } })
  }
  expect_failures = [var.policy]
}

run "an_open_route_without_a_slash_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { spending = { open_routes = ["healthz"] } })
  }
  expect_failures = [var.policy]
}

run "a_drift_of_half_a_percent_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { spending = { drift_percent = 0.5 } })
  }
  expect_failures = [var.policy]
}

run "an_environment_that_has_no_cloud_is_refused" {
  command = plan
  variables {
    environment = "local"
    policy      = merge(var.policy, { environment = "local" })
  }
  expect_failures = [var.environment]
}

run "a_whole_number_written_as_text_is_refused" {
  command = plan
  variables {
    raw_policy = { secrets = { openai-api-key = { rotation_days = "30" } } }
  }
  expect_failures = [var.environment]
}

run "a_key_with_nothing_behind_it_is_refused" {
  command = plan
  variables {
    raw_policy = { budget = { thresholds = [{ percent = 75, level = null }] } }
  }
  expect_failures = [var.environment]
}

run "a_folder_without_the_functions_zip_is_refused" {
  command = plan
  variables {
    bundle = "tests"
  }
  expect_failures = [var.bundle]
}
