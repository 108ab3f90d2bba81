# SPDX-License-Identifier: Apache-2.0
# What the gateway serves: refused here as the functions refuse it.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {}

variables {
  service = { name = "living-twin-worker", image = "r.example.com/gateway@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
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

run "a_gateway_is_deployed_only_where_the_policy_says_so" {
  command = plan

  assert {
    condition     = output.gateway == null
    error_message = "Without gateway.service, somebody else deploys it."
  }
}

run "a_service_that_night_and_cap_do_not_know_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, { name = "living-twin-gateway" }) }) })
  }
  expect_failures = [var.policy]
}

run "an_image_by_its_tag_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, { image = "r.example.com/gateway:latest" }) }) })
  }
  expect_failures = [var.policy]
}

run "an_unknown_ingress_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, { ingress = "everybody" }) }) })
  }
  expect_failures = [var.policy]
}

run "more_instances_at_least_than_at_most_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, { minimum = 4 }) }) })
  }
  expect_failures = [var.policy]
}

run "an_invoker_without_a_kind_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, { invokers = ["somebody@example.com"] }) }) })
  }
  expect_failures = [var.policy]
}

run "several_instances_without_a_store_to_count_in_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, {}) }), counters = null })
  }
  expect_failures = [var.policy]
}

run "an_application_that_is_not_there_calls_nothing" {
  command = plan
  variables {
    policy = merge(var.policy, { gateway = merge(var.policy.gateway, { service = merge(var.service, {}) }), application = null, secrets = {}, firebase = null })
  }
  expect_failures = [var.policy]
}
