# SPDX-License-Identifier: Apache-2.0
# What the gateway serves: refused here as the functions refuse it.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

mock_provider "google-beta" {
  mock_resource "google_project_service_identity" {
    defaults = {
      email  = "service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
      member = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    }
  }
}

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
    application = { account = "living-twin-staging", roles = [] }
    secrets = {
      openai-api-key    = { readers = ["application"] }
      neo4j-credentials = { readers = ["application"] }
    }
    openai = {
      model               = "gpt-4"
      max_tokens          = 2000
      temperature         = 0.7
      requests_per_minute = 1000
      monthly_budget      = 200
      project             = null
    }
    gateway        = { models = { "gpt-4" = { quality = 90, fallbacks = ["mini"] }, mini = { quality = 60 } }, tasks = { classify = 50 } }
    neo4j          = { uri = "neo4j://staging.neo4j.io", user = null, password = null }
    local_llm      = null
    emulators      = null
    mocks          = null
    env_file       = null
    api_keys       = {}
    billing_export = { project = "living-twin-prod" }
    quotas         = {}
    counters       = { node = "SHARED_CORE_NANO" }
    firebase       = { auth = "limited" }
    delivery       = { repository_id = "0", owner_id = "0", tests = "github-actions" }
    events         = { max_age_hours = 24 }
    retention      = { audit_days = 400, history_days = 400 }
  }
}

run "what_is_served_reaches_the_functions_with_its_defaults" {
  command = plan

  assert {
    condition     = output.policy.gateway.seconds == 300 && output.policy.gateway.models["gpt-4"].provider == "openai" && output.policy.gateway.cache.seconds == 3600
    error_message = "The functions must get the gateway as it stands, with its defaults."
  }
}

run "a_gateway_without_openai_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = null })
  }
  expect_failures = [var.policy]
}

run "an_answer_that_may_take_a_day_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { seconds = 86400 }) })
  }
  expect_failures = [var.policy]
}

run "guarded_networks_reach_the_functions" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { guarded_networks = ["10.8.0.0/28", "fd00::/64"] }) })
  }
  assert {
    condition     = tolist(output.policy.gateway.guarded_networks) == tolist(["10.8.0.0/28", "fd00::/64"])
    error_message = "The gateway must know which applications guard requests themselves."
  }
}

run "a_guarded_network_that_is_an_address_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { guarded_networks = ["10.8.0.1/28"] }) })
  }
  expect_failures = [var.policy]
}

run "a_task_with_spaces_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { tasks = { "write poems" = 50 } }) })
  }
  expect_failures = [var.policy]
}

run "a_model_named_auto_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { models = { auto = {} } }) })
  }
  expect_failures = [var.policy]
}

run "a_provider_whose_key_nobody_keeps_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { providers = { other = { endpoint = "https://llm.example.com/v1", secret = "nowhere" } } }) })
  }
  expect_failures = [var.policy]
}

run "a_fallback_that_is_not_served_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { models = { "gpt-4" = { fallbacks = ["gpt-9"] } } }) })
  }
  expect_failures = [var.policy]
}

run "a_quality_above_a_hundred_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { models = { "gpt-4" = { quality = 101 } } }) })
  }
  expect_failures = [var.policy]
}

run "a_task_that_no_model_is_good_enough_for_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { tasks = { reason = 95 } }) })
  }
  expect_failures = [var.policy]
}
