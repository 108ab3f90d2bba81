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

run "no_key_is_made_unless_the_policy_asks" {
  command = plan

  assert {
    condition     = length(google_apikeys_key.key) == 0
    error_message = "the value of each key is in the state"
  }
}

run "a_servers_key_is_good_for_its_apis_from_its_addresses" {
  command = plan
  variables {
    api_keys = {
      places = { apis = ["routes.googleapis.com", "places.googleapis.com"], addresses = ["203.0.113.16/28", "2001:db8::7"] }
    }
  }

  assert {
    condition = jsonencode([
      google_apikeys_key.key["places"].name,
      google_apikeys_key.key["places"].restrictions[0].api_targets[*].service,
      google_apikeys_key.key["places"].restrictions[0].server_key_restrictions[*].allowed_ips,
      google_apikeys_key.key["places"].restrictions[0].browser_key_restrictions,
      ]) == jsonencode([
      "twinguard-staging-places",
      ["places.googleapis.com", "routes.googleapis.com"],
      [["2001:db8::7", "203.0.113.16/28"]],
      [],
    ])
    error_message = "both restrictions, in an order that is the same in each plan"
  }
  assert {
    condition     = output.api_key_names == { places = "twinguard-staging-places" }
    error_message = "a key is told by its name"
  }
}

run "a_browsers_key_is_good_on_its_sites" {
  command = plan
  variables {
    api_keys = { maps = { apis = ["maps-backend.googleapis.com"], referrers = ["https://app.example.com/*", "*.example.org/*"] } }
  }

  assert {
    condition = jsonencode([
      google_apikeys_key.key["maps"].restrictions[0].browser_key_restrictions[*].allowed_referrers,
      google_apikeys_key.key["maps"].restrictions[0].server_key_restrictions,
    ]) == jsonencode([[["*.example.org/*", "https://app.example.com/*"]], []])
    error_message = "a browser's key is restricted by site"
  }
}
