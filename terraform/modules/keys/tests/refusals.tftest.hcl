# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

mock_provider "google-beta" {}

variables {
  environment     = "staging"
  project_id      = "living-twin-staging"
  project_number  = "123456789012"
  region          = "europe-west1"
  service_account = "living-twin-staging"
}

run "refuses_an_environment_that_does_not_exist" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [var.environment]
}

run "refuses_a_prefix_that_cannot_begin_a_name" {
  command = plan
  variables {
    prefix = "-"
  }
  expect_failures = [var.prefix]
}

run "refuses_a_project_id_where_its_number_belongs" {
  command = plan
  variables {
    project_number = "living-twin-staging"
  }
  expect_failures = [var.project_number]
}

run "refuses_a_multi_region" {
  command = plan
  variables {
    region = "eu"
  }
  expect_failures = [var.region]
}

run "refuses_a_rotation_start_without_a_time" {
  command = plan
  variables {
    rotation_starts = "2027-01-04"
  }
  expect_failures = [var.rotation_starts]
}

run "refuses_a_rotation_start_in_local_time" {
  command = plan
  variables {
    rotation_starts = "2027-01-04T09:00:00+01:00"
  }
  expect_failures = [var.rotation_starts]
}

run "refuses_the_address_of_a_service_account" {
  command = plan
  variables {
    service_account = "living-twin-staging@living-twin-staging.iam.gserviceaccount.com"
  }
  expect_failures = [var.service_account]
}

run "refuses_a_secret_named_in_upper_case" {
  command = plan
  variables {
    secrets = { OPENAI_API_KEY = { readers = [] } }
  }
  expect_failures = [var.secrets]
}

run "refuses_a_secret_that_names_its_environment" {
  command = plan
  variables {
    secrets = { staging-openai-api-key = { readers = [] } }
  }
  expect_failures = [var.secrets]
}

run "refuses_a_secret_that_everybody_reads" {
  command = plan
  variables {
    secrets = { openai-api-key = { readers = ["allUsers"] } }
  }
  expect_failures = [var.secrets]
}

run "refuses_a_secret_that_a_whole_domain_reads" {
  command = plan
  variables {
    secrets = { openai-api-key = { readers = ["domain:company.com"] } }
  }
  expect_failures = [var.secrets]
}

run "refuses_a_rotation_without_days" {
  command = plan
  variables {
    secrets = { openai-api-key = { readers = [], rotation_days = 0 } }
  }
  expect_failures = [var.secrets]
}

run "refuses_to_destroy_versions_at_once" {
  command = plan
  variables {
    secrets = { openai-api-key = { readers = [], destroy_ttl_days = 0 } }
  }
  expect_failures = [var.secrets]
}

run "refuses_the_application_as_a_reader_where_there_is_none" {
  command = plan
  variables {
    secrets         = { openai-api-key = { readers = ["application"] } }
    service_account = null
  }
  expect_failures = [var.secrets]
}

run "refuses_roles_of_an_application_that_is_not_there" {
  command = plan
  variables {
    application_roles = ["roles/datastore.user"]
    service_account   = null
  }
  expect_failures = [var.application_roles]
}

run "refuses_a_basic_role" {
  command = plan
  variables {
    application_roles = ["roles/editor"]
  }
  expect_failures = [var.application_roles]
}

run "refuses_a_role_of_ones_own" {
  command = plan
  variables {
    application_roles = ["projects/living-twin-staging/roles/everything"]
  }
  expect_failures = [var.application_roles]
}

run "refuses_an_application_that_administers" {
  command = plan
  variables {
    application_roles = ["roles/resourcemanager.projectIamAdmin"]
  }
  expect_failures = [var.application_roles]
}

run "refuses_an_application_that_owns_the_records" {
  command = plan
  variables {
    application_roles = ["roles/datastore.owner"]
  }
  expect_failures = [var.application_roles]
}

run "refuses_an_application_that_reads_all_secrets" {
  command = plan
  variables {
    application_roles = ["roles/secretmanager.secretAccessor"]
  }
  expect_failures = [var.application_roles]
}

run "refuses_an_application_that_could_forge_a_budgets_message" {
  command = plan
  variables {
    application_roles = ["roles/pubsub.publisher"]
  }
  expect_failures = [var.application_roles]
}

run "refuses_an_application_that_acts_as_any_account" {
  command = plan
  variables {
    application_roles = ["roles/iam.serviceAccountTokenCreator"]
  }
  expect_failures = [var.application_roles]
}

run "takes_an_application_that_reads_from_subscriptions" {
  command = plan
  variables {
    application_roles = ["roles/pubsub.subscriber"]
  }

  assert {
    condition     = keys(google_project_iam_member.application) == ["roles/pubsub.subscriber"]
    error_message = "reading a topic's messages forges nothing"
  }
}
