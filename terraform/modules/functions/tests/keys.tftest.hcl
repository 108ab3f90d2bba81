# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_project_iam_custom_role" {
    defaults = { name = "projects/living-twin-staging/roles/mocked" }
  }
}

mock_provider "google-beta" {}

variables {
  budget_topic   = "twinguard-staging-budget-alerts"
  counters       = { url = "firestore://living-twin-staging/twinguard-staging" }
  bundle         = "../../../.cache/bundle/${one(fileset("../../../.cache/bundle", "twinguard-*.zip"))}"
  environment    = "staging"
  labels         = { environment = "staging" }
  name           = "twinguard-staging"
  policy_json    = "{}"
  project_id     = "living-twin-staging"
  project_number = "123456789012"
  records_url    = "firestore://living-twin-staging/twinguard-staging"
  region         = "europe-west1"
  secret_topic   = "twinguard-staging-secret-events"
}

run "secret_manager_pushes_to_a_function_of_its_own" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.push["on-secret-event"].topic == "twinguard-staging-secret-events"
    error_message = "the topic is the keys' own"
  }

  assert {
    condition     = google_service_account.account["on-secret-event"].account_id == "twinguard-staging-secrets"
    error_message = "it runs as itself"
  }
}

run "a_value_is_read_only_where_an_api_makes_it" {
  command = plan
  variables {
    rotated_secrets = {
      openai-api-key    = { id = "staging-openai-api-key", made = true }
      neo4j-credentials = { id = "staging-neo4j-credentials", made = false }
    }
  }

  assert {
    condition     = { for name, grant in google_secret_manager_secret_iam_member.rotator : name => grant.secret_id } == { "on-schedule neo4j-credentials" = "staging-neo4j-credentials", "on-schedule openai-api-key" = "staging-openai-api-key", "on-secret-event neo4j-credentials" = "staging-neo4j-credentials", "on-secret-event openai-api-key" = "staging-openai-api-key" }
    error_message = "a grant is on one secret, for who rotates"
  }

  assert {
    condition     = contains(google_project_iam_custom_role.role["secret_rotator"].permissions, "secretmanager.versions.access") && !contains(google_project_iam_custom_role.role["secret_keeper"].permissions, "secretmanager.versions.access")
    error_message = "what a person made is moved, never read"
  }

  assert {
    condition     = local.rotations["on-schedule openai-api-key"].role == "secret_rotator" && local.rotations["on-schedule neo4j-credentials"].role == "secret_keeper"
    error_message = "each secret has the role of its kind"
  }

  assert {
    condition     = length(google_project_iam_member.api_key_rotator) == 0
    error_message = "without keys of Google's nobody may make any"
  }
}

run "without_secrets_there_is_no_role_for_them" {
  command = plan

  assert {
    condition     = length(setintersection(keys(google_project_iam_custom_role.role), ["api_key_rotator", "secret_keeper", "secret_rotator"])) == 0
    error_message = "a role that nobody has is a trap"
  }
}

run "googles_keys_are_made_by_who_rotates_only" {
  command = plan
  variables {
    rotates_api_keys = true
  }

  assert {
    condition     = keys(google_project_iam_member.api_key_rotator) == ["on-schedule", "on-secret-event"]
    error_message = "no other function makes keys"
  }
}

run "the_admin_key_is_pinned_and_only_for_who_rotates" {
  command = plan
  variables {
    openai_admin_secret = { secret = "staging-openai-admin-key", version = "2" }
  }

  assert {
    condition     = join(" ", sort([for name, item in google_cloudfunctions2_function.function : name if contains([for secret in item.service_config[0].secret_environment_variables : secret.key], "OPENAI_ADMIN_KEY")])) == "on-schedule on-secret-event"
    error_message = "it can end every key of the project"
  }

  assert {
    condition     = google_cloud_scheduler_job.job["reconcile"].schedule == "0 8 * * *" && !contains(keys(google_cloud_scheduler_job.job), "costs")
    error_message = "with the admin key the ledger is compared with OpenAI's costs, each day"
  }
}

run "without_any_bill_nothing_is_reconciled" {
  command = plan

  assert {
    condition     = !contains(keys(google_cloud_scheduler_job.job), "reconcile")
    error_message = "a task that always fails tells nobody anything"
  }
}

run "googles_bill_is_reconciled_too" {
  command = plan
  variables {
    costs = "bigquery://"
  }

  assert {
    condition     = google_cloud_scheduler_job.job["reconcile"].pubsub_target[0].attributes == tomap({ task = "reconcile" })
    error_message = "the export is a bill"
  }
}

run "an_admin_key_that_moves_is_refused" {
  command = plan
  variables {
    openai_admin_secret = { secret = "staging-openai-admin-key", version = "latest" }
  }

  expect_failures = [var.openai_admin_secret]
}
