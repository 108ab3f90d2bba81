# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  environment    = "staging"
  name           = "twinguard-staging"
  project_id     = "living-twin-staging"
  project_number = "123456789012"
  repository     = { id = "456", owner_id = "123" }
}

run "refuses_to_act_as_a_default_account" {
  command = plan
  variables {
    acts_as = { build = "123456789012-compute@developer.gserviceaccount.com" }
  }
  expect_failures = [var.acts_as]
}

run "refuses_to_act_as_another_projects_account" {
  command = plan
  variables {
    acts_as = { build = "build@living-twin-prod.iam.gserviceaccount.com" }
  }
  expect_failures = [var.acts_as]
}

run "refuses_a_billing_account_in_another_shape" {
  command = plan
  variables {
    billing_account = "billingAccounts/012345-6789AB-CDEF01"
  }
  expect_failures = [var.billing_account]
}

run "refuses_a_buckets_address" {
  command = plan
  variables {
    buckets = { source = "gs://living-twin-staging-source" }
  }
  expect_failures = [var.buckets]
}

run "refuses_an_environment_nobody_knows" {
  command = plan
  variables {
    environment = "test"
  }
  expect_failures = [var.environment]
}

run "refuses_to_let_it_grant_what_is_no_role" {
  command = plan
  variables {
    grants = ["bigquery.jobUser"]
  }
  expect_failures = [var.grants]
}

run "refuses_to_let_it_grant_a_basic_role" {
  command = plan
  variables {
    grants = ["roles/editor"]
  }
  expect_failures = [var.grants]
}

run "refuses_to_let_it_grant_roles_of_iam" {
  command = plan
  variables {
    grants = ["roles/iam.securityAdmin"]
  }
  expect_failures = [var.grants]
}

run "refuses_to_let_it_open_every_secret" {
  command = plan
  variables {
    grants = ["roles/secretmanager.secretAccessor"]
  }
  expect_failures = [var.grants]
}

run "refuses_more_roles_than_a_condition_takes" {
  command = plan
  variables {
    grants = ["roles/a.one", "roles/a.two", "roles/a.three", "roles/a.four"]
  }
  expect_failures = [var.grants]
}

run "refuses_a_name_too_long_for_an_account" {
  command = plan
  variables {
    name = "twinguard-of-living-twins"
  }
  expect_failures = [var.name]
}

run "refuses_a_beginning_that_google_keeps_for_itself" {
  command = plan
  variables {
    name = "gcp-staging"
  }
  expect_failures = [var.name]
}

run "refuses_a_project_id_that_google_would_refuse" {
  command = plan
  variables {
    project_id = "Living-Twin"
  }
  expect_failures = [var.project_id]
}

run "refuses_a_project_id_where_the_number_belongs" {
  command = plan
  variables {
    project_number = "living-twin-staging"
  }
  expect_failures = [var.project_number]
}

run "refuses_a_repository_by_name" {
  command = plan
  variables {
    repository = { id = "living-twin", owner_id = "123" }
  }
  expect_failures = [var.repository]
}

run "refuses_an_owner_by_name" {
  command = plan
  variables {
    repository = { id = "456", owner_id = "company" }
  }
  expect_failures = [var.repository]
}

run "refuses_a_full_ref_as_a_branch" {
  command = plan
  variables {
    repository = { id = "456", owner_id = "123", branch = "refs/heads/main" }
  }
  expect_failures = [var.repository]
}

run "refuses_a_branch_that_would_end_the_expression" {
  command = plan
  variables {
    repository = { id = "456", owner_id = "123", branch = "main' || true || '" }
  }
  expect_failures = [var.repository]
}

run "refuses_the_states_address" {
  command = plan
  variables {
    state_bucket = "gs://seed-terraform-state/staging"
  }
  expect_failures = [var.state_bucket]
}

run "refuses_a_state_project_that_google_would_refuse" {
  command = plan
  variables {
    state_bucket  = "seed-terraform-state"
    state_project = "Seed"
  }
  expect_failures = [var.state_project]
}

run "refuses_a_state_project_without_a_bucket" {
  command = plan
  variables {
    state_project = "seed-project"
  }
  expect_failures = [var.state_project]
}

run "refuses_the_same_project_as_the_states_own" {
  command = plan
  variables {
    state_bucket  = "seed-terraform-state"
    state_project = "living-twin-staging"
  }
  expect_failures = [var.state_project]
}

run "refuses_an_e_mail_as_an_account_id" {
  command = plan
  variables {
    tests = "github-actions@living-twin-staging.iam.gserviceaccount.com"
  }
  expect_failures = [var.tests]
}

run "refuses_to_test_as_the_account_that_applies" {
  command = plan
  variables {
    tests = "twinguard-staging-apply"
  }
  expect_failures = [var.tests]
}
