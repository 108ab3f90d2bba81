# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  name       = "twinguard-staging"
  project_id = "living-twin-staging"
  region     = "europe-west1"
  users      = { on-schedule = "schedule@living-twin-staging.iam.gserviceaccount.com" }
}

run "records_survive_a_mistake" {
  command = plan

  assert {
    condition     = google_firestore_database.records.delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.records.deletion_policy == "ABANDON"
    error_message = "deleting the database must take two deliberate steps"
  }

  assert {
    condition     = google_firestore_database.records.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "a wrong write must be had back"
  }
}

run "what_expires_is_deleted_by_the_database" {
  command = plan

  assert {
    condition     = alltrue([for field in google_firestore_field.expiry : field.field == "expires_at" && length(field.ttl_config) == 1])
    error_message = "a record that nobody asks for any more must go"
  }
}

run "a_budgets_state_never_expires" {
  command = plan

  assert {
    condition     = !contains(keys(google_firestore_field.expiry), "budgets") && !contains(keys(google_firestore_field.expiry), "breakers")
    error_message = "a running period must not be forgotten"
  }
}

run "a_user_reaches_this_database_only" {
  command = plan

  assert {
    condition     = google_project_iam_member.user["on-schedule"].condition[0].expression == "resource.name == \"projects/living-twin-staging/databases/twinguard-staging\""
    error_message = "the role is the whole project's"
  }
}

run "the_url_is_what_the_functions_read" {
  command = plan

  assert {
    condition     = output.records_url == "firestore://living-twin-staging/twinguard-staging"
    error_message = "TWINGUARD_RECORDS names project and database"
  }
}
