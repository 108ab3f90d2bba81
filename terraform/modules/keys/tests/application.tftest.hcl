# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email  = "living-twin-staging@living-twin-staging.iam.gserviceaccount.com"
      member = "serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com"
    }
  }
  mock_resource "google_pubsub_topic" {
    defaults = { id = "projects/living-twin-staging/topics/twinguard-staging-secret-events" }
  }
}

mock_provider "google-beta" {}

variables {
  application_roles = ["roles/aiplatform.user", "roles/logging.logWriter"]
  environment       = "staging"
  project_id        = "living-twin-staging"
  project_number    = "123456789012"
  region            = "europe-west1"
  service_account   = "living-twin-staging"
}

run "the_application_has_the_policys_roles_and_no_more" {
  command = apply

  assert {
    condition = jsonencode(sort([
      for grant in google_project_iam_member.application : join(" ", [grant.project, grant.role, grant.member])
      ])) == jsonencode([
      "living-twin-staging roles/aiplatform.user serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com",
      "living-twin-staging roles/logging.logWriter serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com",
    ])
    error_message = "each role of the policy, on the project, for the application alone"
  }
}

run "an_environment_without_an_application_has_no_account" {
  command = plan
  variables {
    application_roles = []
    secrets           = { test-api-keys = { readers = ["group:qa-team@company.com"] } }
    service_account   = null
  }

  assert {
    condition     = length(google_service_account.application) == 0 && output.service_account_email == null
    error_message = "no account must be made, and none told"
  }
  assert {
    condition     = [for grant in google_secret_manager_secret_iam_member.reader : grant.member] == ["group:qa-team@company.com"]
    error_message = "other readers must not depend on the application"
  }
}
