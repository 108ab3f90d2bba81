# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  billing_account = "012345-6789AB-CDEF01"
  project         = { id = "living-twin-staging" }
}

run "refuses_a_project_id_that_google_would_refuse" {
  command = plan
  variables {
    project = { id = "Living-Twin" }
  }
  expect_failures = [var.project]
}

run "refuses_a_folder_and_an_organisation_at_once" {
  command = plan
  variables {
    project = { id = "living-twin-ci", create = true, folder_id = "1", org_id = "2" }
  }
  expect_failures = [var.project]
}

run "refuses_to_move_an_adopted_project" {
  command = plan
  variables {
    project = { id = "living-twin-ci", folder_id = "1" }
  }
  expect_failures = [var.project]
}

run "refuses_to_create_a_project_nobody_pays_for" {
  command = plan
  variables {
    billing_account = null
    project         = { id = "living-twin-ci", create = true }
  }
  expect_failures = [var.billing_account]
}

run "refuses_a_billing_account_in_another_shape" {
  command = plan
  variables {
    billing_account = "billingAccounts/012345-6789AB-CDEF01"
  }
  expect_failures = [var.billing_account]
}

run "refuses_labels_that_google_would_refuse" {
  command = plan
  variables {
    labels = { Environment = "staging" }
  }
  expect_failures = [var.labels]
}

run "refuses_the_short_name_of_a_service" {
  command = plan
  variables {
    services = ["run"]
  }
  expect_failures = [var.services]
}

run "refuses_the_short_name_of_an_audited_service" {
  command = plan
  variables {
    audited_services = ["secretmanager"]
  }
  expect_failures = [var.audited_services]
}

run "refuses_to_delete_the_default_accounts" {
  command = plan
  variables {
    project = { id = "living-twin-staging", default_accounts = "delete" }
  }
  expect_failures = [var.project]
}
