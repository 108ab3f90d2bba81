# SPDX-License-Identifier: Apache-2.0
# Every rule of application.py, broken once. What is said is compared in tests/terraform.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {}

run "a_model_with_spaces_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { model = "gpt 4" }) })
  }
  expect_failures = [var.policy]
}

run "an_openai_project_by_its_name_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { project = "living-twin" }) })
  }
  expect_failures = [var.policy]
}

run "answers_of_no_length_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { max_tokens = 0 }) })
  }
  expect_failures = [var.policy]
}

run "half_a_request_a_minute_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { requests_per_minute = 0.5 }) })
  }
  expect_failures = [var.policy]
}

run "an_openai_budget_of_nothing_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { monthly_budget = 0 }) })
  }
  expect_failures = [var.policy]
}

run "a_temperature_above_two_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { temperature = 2.1 }) })
  }
  expect_failures = [var.policy]
}

run "an_openai_key_that_nobody_keeps_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { neo4j-credentials = { readers = ["application"] } } })
  }
  expect_failures = [var.policy]
}

run "a_database_by_http_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { neo4j = { uri = "https://staging.neo4j.io" } })
  }
  expect_failures = [var.policy]
}

run "a_user_without_a_password_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { neo4j = { uri = "neo4j://localhost:7687", user = "neo4j" } })
  }
  expect_failures = [var.policy]
}

run "a_password_that_readers_read_differently_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { neo4j = { uri = "neo4j://localhost:7687", user = "neo4j", password = "a$b" } })
  }
  expect_failures = [var.policy]
}

run "a_password_of_a_distant_database_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { neo4j = { uri = "neo4j://staging.neo4j.io", user = "neo4j", password = "password" } })
  }
  expect_failures = [var.policy]
}

run "a_database_whose_password_nobody_keeps_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { openai-api-key = { readers = ["application"] } } })
  }
  expect_failures = [var.policy]
}

run "an_endpoint_with_a_password_is_refused" {
  command = plan
  variables {
    environment = "development"
    policy      = merge(var.policy, { environment = "development", firebase = null, local_llm = { endpoint = "http://me:pw@localhost:11434", model = "llama2" } })
  }
  expect_failures = [var.policy]
}

run "emulators_of_a_real_project_are_refused" {
  command = plan
  variables {
    environment = "development"
    policy      = merge(var.policy, { environment = "development", firebase = null, emulators = { project = "living-twin-dev" } })
  }
  expect_failures = [var.policy]
}

run "an_emulator_without_a_port_is_refused" {
  command = plan
  variables {
    environment = "development"
    policy      = merge(var.policy, { environment = "development", firebase = null, emulators = { firestore = "localhost" } })
  }
  expect_failures = [var.policy]
}

run "a_local_model_in_staging_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { local_llm = { endpoint = "http://localhost:11434", model = "llama2" } })
  }
  expect_failures = [var.policy]
}

run "a_file_that_nobody_could_read_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { env_file = {} })
  }
  expect_failures = [var.policy]
}

run "a_private_key_of_age_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { env_file = { age = ["AGE-SECRET-KEY-1"] } })
  }
  expect_failures = [var.policy]
}

run "production_without_encryption_is_refused" {
  command = plan
  variables {
    environment = "production"
    policy      = merge(var.policy, { environment = "production" })
  }
  expect_failures = [var.policy]
}

run "an_application_in_development_pretends_what_it_wants" {
  command = plan
  variables {
    environment = "development"
    policy = merge(var.policy, {
      environment = "development"
      firebase    = null
      neo4j       = { uri = "neo4j://localhost:7687", user = "neo4j", password = "password" }
      local_llm   = { endpoint = "http://localhost:1234/v1", model = "llama2" }
      emulators   = { project = "demo-test", firestore = "localhost:8080", auth = "localhost:9099" }
      mocks       = { services = true, llm_responses = true }
      env_file    = { age = ["age1${join("", [for i in range(58) : "q"])}"], kms = "projects/p/locations/europe/keyRings/r/cryptoKeys/k" }
    })
  }

  assert {
    condition     = output.policy.openai.requests_per_minute == 1000 && output.policy.local_llm.endpoint == "http://localhost:1234/v1"
    error_message = "The functions must get the blocks as they stand."
  }
}

run "an_openai_scope_with_spaces_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { scopes = ["all of it"] }) })
  }
  expect_failures = [var.policy]
}

run "an_openai_key_of_ten_years_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { key_days = 3650 }) })
  }
  expect_failures = [var.policy]
}

run "an_openai_key_that_ends_before_its_rotation_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { openai = merge(var.policy.openai, { key_days = 7 }) })
  }
  expect_failures = [var.policy]
}
