# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  project_id = "living-twin-seed"
}

run "the_state_is_versioned_private_and_hard_to_destroy" {
  command = plan

  assert {
    condition = jsonencode([
      output.bucket,
      google_storage_bucket.state.location,
      google_storage_bucket.state.versioning[0].enabled,
      google_storage_bucket.state.uniform_bucket_level_access,
      google_storage_bucket.state.public_access_prevention,
      google_storage_bucket.state.force_destroy,
      google_storage_bucket.state.deletion_policy,
    ]) == jsonencode(["living-twin-seed-terraform-state", "europe-west1", true, true, "enforced", false, "PREVENT"])
    error_message = "the bucket must keep old versions, refuse the public, and survive a destroy"
  }
}

run "old_versions_go_only_when_they_are_old_and_many" {
  command = plan

  assert {
    condition = jsonencode([
      for rule in google_storage_bucket.state.lifecycle_rule : [
        [for action in rule.action : action.type],
        [for condition in rule.condition : [condition.days_since_noncurrent_time, condition.num_newer_versions, condition.with_state]],
      ]
    ]) == jsonencode([[["Delete"], [[365, 20, "ARCHIVED"]]]])
    error_message = "only replaced versions, after a year, beyond the last twenty"
  }
}

run "the_apis_that_terraform_calls_are_on_and_stay_on" {
  command = plan

  assert {
    condition = jsonencode([
      keys(google_project_service.seed),
      distinct([for service in google_project_service.seed : service.disable_on_destroy]),
      ]) == jsonencode([
      [
        "billingbudgets.googleapis.com", "cloudbilling.googleapis.com", "cloudresourcemanager.googleapis.com",
        "iam.googleapis.com", "serviceusage.googleapis.com", "storage.googleapis.com",
      ],
      [false],
    ])
    error_message = "six APIs, never turned off again"
  }
}

run "refuses_a_project_id_that_google_would_refuse" {
  command = plan
  variables {
    project_id = "Seed"
  }
  expect_failures = [var.project_id]
}

run "refuses_a_multi_region" {
  command = plan
  variables {
    region = "EU"
  }
  expect_failures = [var.region]
}
