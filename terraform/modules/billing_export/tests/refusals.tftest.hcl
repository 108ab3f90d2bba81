# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  billing_account = "012345-6789AB-CDEF01"
  environment     = "production"
  project_id      = "living-twin-prod"
  view_sql        = "SELECT 1 AS one FROM `{table}` AS line"
}

run "refuses_a_billing_account_in_another_shape" {
  command = plan
  variables {
    billing_account = "billingAccounts/012345-6789AB-CDEF01"
  }
  expect_failures = [var.billing_account]
}

run "refuses_an_environment_that_does_not_exist" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [var.environment]
}

run "refuses_a_dataset_with_a_hyphen" {
  command = plan
  variables {
    export = { dataset = "billing-export" }
  }
  expect_failures = [var.export]
}

run "refuses_a_place_that_is_none" {
  command = plan
  variables {
    export = { location = "Europe" }
  }
  expect_failures = [var.export]
}

run "refuses_costs_that_everybody_reads" {
  command = plan
  variables {
    readers = ["allAuthenticatedUsers"]
  }
  expect_failures = [var.readers]
}

run "refuses_costs_that_a_whole_domain_reads" {
  command = plan
  variables {
    readers = ["domain:example.com"]
  }
  expect_failures = [var.readers]
}

run "refuses_a_query_of_no_table" {
  command = plan
  variables {
    view_sql = "SELECT 1"
  }
  expect_failures = [var.view_sql]
}

run "refuses_a_query_whose_table_is_not_in_backticks" {
  command = plan
  variables {
    view_sql = "SELECT 1 FROM {table}"
  }
  expect_failures = [var.view_sql]
}
