# SPDX-License-Identifier: Apache-2.0
# Every rule of provisions.py, broken once. What is said is compared in tests/terraform.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {}

run "a_project_created_nowhere_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { project = merge(var.policy.project, { create = { seed = "my-seed-project" } }) })
  }
  expect_failures = [var.policy]
}

run "a_folder_by_its_name_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { project = merge(var.policy.project, { create = { seed = "my-seed-project", folder = "engineering" } }) })
  }
  expect_failures = [var.policy]
}

run "default_accounts_that_nobody_knows_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { project = merge(var.policy.project, { default_accounts = "delete" }) })
  }
  expect_failures = [var.policy]
}

run "an_account_in_capitals_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { application = { account = "Living_Twin" } })
  }
  expect_failures = [var.policy]
}

run "a_basic_role_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { application = merge(var.policy.application, { roles = ["roles/editor"] }) })
  }
  expect_failures = [var.policy]
}

run "a_secret_in_capitals_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { OPENAI_API_KEY = { readers = ["application"] } } })
  }
  expect_failures = [var.policy]
}

run "a_secret_that_nobody_reads_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { openai-api-key = { readers = [] } } })
  }
  expect_failures = [var.policy]
}

run "a_secret_that_everybody_reads_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { openai-api-key = { readers = ["allUsers"] } } })
  }
  expect_failures = [var.policy]
}

run "a_secret_of_an_application_that_is_none_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { application = null, firebase = null })
  }
  expect_failures = [var.policy]
}

run "firebase_without_an_application_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { application = null, secrets = {} })
  }
  expect_failures = [var.policy]
}

run "a_secret_of_tests_that_are_none_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { delivery = null, secrets = { test-api-keys = { readers = ["tests"] } } })
  }
  expect_failures = [var.policy]
}

run "a_secret_that_rotates_never_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { openai-api-key = { readers = ["application"], rotation_days = 0 } } })
  }
  expect_failures = [var.policy]
}

run "a_secret_of_an_alerts_channel_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { secrets = { smtp-password = { readers = ["application"] } } })
  }
  expect_failures = [var.policy]
}

run "a_key_for_every_api_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { api_keys = { maps = { apis = [], addresses = ["203.0.113.0/24"] } } })
  }
  expect_failures = [var.policy]
}

run "a_key_for_every_address_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { api_keys = { maps = { apis = ["places.googleapis.com"] } } })
  }
  expect_failures = [var.policy]
}

run "a_key_that_terraform_would_have_to_make_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, {
      api_keys = { maps = { apis = ["places.googleapis.com"], addresses = ["203.0.113.0/24"] } }
    })
  }
  expect_failures = [var.policy]
}

run "a_key_for_servers_and_browsers_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, {
      api_keys = { maps = { apis = ["places.googleapis.com"], addresses = ["203.0.113.7"], referrers = ["app.example.com/*"] } }
      secrets  = { maps = { readers = ["group:qa-team@example.com"] } }
    })
  }
  expect_failures = [var.policy]
}

run "a_key_with_an_api_named_twice_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, {
      api_keys = { maps = { apis = ["places.googleapis.com", "places.googleapis.com"], addresses = ["203.0.113.7"] } }
      secrets  = { maps = { readers = ["group:qa-team@example.com"] } }
    })
  }
  expect_failures = [var.policy]
}

run "a_key_with_a_host_where_an_address_belongs_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, {
      api_keys = { maps = { apis = ["places.googleapis.com"], addresses = ["app.example.com"] } }
      secrets  = { maps = { readers = ["group:qa-team@example.com"] } }
    })
  }
  expect_failures = [var.policy]
}

run "a_key_for_half_of_the_internet_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, {
      api_keys = { maps = { apis = ["places.googleapis.com"], addresses = ["0.0.0.0/1", "128.0.0.0/1"] } }
      secrets  = { maps = { readers = ["group:qa-team@example.com"] } }
    })
  }
  expect_failures = [var.policy]
}

run "a_key_for_any_site_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, {
      api_keys = { maps = { apis = ["maps-backend.googleapis.com"], referrers = ["*.com/*"] } }
      secrets  = { maps = { readers = ["group:qa-team@example.com"] } }
    })
  }
  expect_failures = [var.policy]
}

run "a_service_by_its_name_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { services = { run = { service = "Cloud Run", amount = 1 } } }) })
  }
  expect_failures = [var.policy]
}

run "a_part_of_nothing_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { services = { run = { service = "services/152E-C115-5142", amount = 0 } } }) })
  }
  expect_failures = [var.policy]
}

run "parts_beyond_the_whole_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { budget = merge(var.policy.budget, { services = { run = { service = "services/152E-C115-5142", amount = 501 } } }) })
  }
  expect_failures = [var.policy]
}

run "an_export_to_a_dataset_with_hyphens_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { billing_export = { project = "living-twin-prod", dataset = "billing-export" } })
  }
  expect_failures = [var.policy]
}

run "an_export_that_everybody_reads_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { billing_export = merge(var.policy.billing_export, { readers = ["allAuthenticatedUsers"] }) })
  }
  expect_failures = [var.policy]
}

run "an_export_made_in_another_project_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { billing_export = merge(var.policy.billing_export, { create = true }) })
  }
  expect_failures = [var.policy]
}

run "a_quota_of_no_service_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { quotas = { run-cpu = { service = "run", quota = "CpuAllocPerProjectRegion", value = 1 } } })
  }
  expect_failures = [var.policy]
}

run "a_quota_below_zero_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { quotas = { run-cpu = { service = "run.googleapis.com", quota = "CpuAllocPerProjectRegion", value = -1 } } })
  }
  expect_failures = [var.policy]
}

run "counters_on_no_shard_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { counters = merge(var.policy.counters, { shards = 0 }) })
  }
  expect_failures = [var.policy]
}

run "counters_without_addresses_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { counters = merge(var.policy.counters, { cidr = "private" }) })
  }
  expect_failures = [var.policy]
}

run "an_authority_over_users_that_nobody_knows_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { firebase = { auth = "some" } })
  }
  expect_failures = [var.policy]
}

run "a_repository_by_its_name_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { delivery = merge(var.policy.delivery, { repository_id = "living-twin/api" }) })
  }
  expect_failures = [var.policy]
}

run "a_branch_with_a_wildcard_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { delivery = merge(var.policy.delivery, { branch = "*" }) })
  }
  expect_failures = [var.policy]
}

run "a_test_account_with_its_address_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { delivery = merge(var.policy.delivery, { tests = "github-actions@living-twin-ci.iam.gserviceaccount.com" }) })
  }
  expect_failures = [var.policy]
}

run "channel_secrets_that_never_rotate_are_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { alerts = merge(var.policy.alerts, { rotation_days = 0 }) })
  }
  expect_failures = [var.policy]
}

run "a_state_project_without_a_bucket_is_refused" {
  command = plan
  variables {
    policy = merge(var.policy, { delivery = merge(var.policy.delivery, { state_project = "my-seed" }) })
  }
  expect_failures = [var.policy]
}

run "firebase_in_development_is_refused" {
  command = plan
  variables {
    environment = "development"
    policy      = merge(var.policy, { environment = "development" })
  }
  expect_failures = [var.policy]
}
