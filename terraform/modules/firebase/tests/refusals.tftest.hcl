# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

mock_provider "google-beta" {}

variables {
  application_account = "living-twin-prod@living-twin-prod.iam.gserviceaccount.com"
  environment         = "production"
  firebase            = { auth = "full" }
  project_id          = "living-twin-prod"
}

run "refuses_a_member_where_an_address_belongs" {
  command = plan
  variables {
    application_account = "serviceAccount:living-twin-prod@living-twin-prod.iam.gserviceaccount.com"
  }
  expect_failures = [var.application_account]
}

run "refuses_a_person_as_the_application" {
  command = plan
  variables {
    application_account = "somebody@example.com"
  }
  expect_failures = [var.application_account]
}

run "refuses_development_which_has_the_emulator" {
  command = plan
  variables {
    environment = "development"
  }
  expect_failures = [var.environment]
}

run "refuses_ci_which_has_mocks" {
  command = plan
  variables {
    environment = "ci"
  }
  expect_failures = [var.environment]
}

run "refuses_an_unknown_extent_of_permissions" {
  command = plan
  variables {
    firebase = { auth = "admin" }
  }
  expect_failures = [var.firebase]
}

run "refuses_an_address_of_the_web_where_a_domain_belongs" {
  command = plan
  variables {
    firebase = { auth = "full", authorized_domains = ["https://app.example.com"] }
  }
  expect_failures = [var.firebase]
}

run "refuses_every_domain_at_once" {
  command = plan
  variables {
    firebase = { auth = "full", authorized_domains = ["*.example.com"] }
  }
  expect_failures = [var.firebase]
}

run "refuses_the_number_of_a_machine" {
  command = plan
  variables {
    firebase = { auth = "full", authorized_domains = ["127.0.0.1"] }
  }
  expect_failures = [var.firebase]
}

run "refuses_localhost_in_production" {
  command = plan
  variables {
    firebase = { auth = "full", authorized_domains = ["localhost"] }
  }
  expect_failures = [var.firebase]
}

run "refuses_a_prefix_that_cannot_begin_a_name" {
  command = plan
  variables {
    prefix = "-"
  }
  expect_failures = [var.prefix]
}
