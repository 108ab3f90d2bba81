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
  environment     = "staging"
  labels          = { application = "living-twin" }
  prefix          = "twinguard"
  project_id      = "living-twin-staging"
  project_number  = "123456789012"
  region          = "europe-west1"
  rotation_starts = "2090-01-02T09:00:00Z"
  service_account = "living-twin-staging"
  secrets = {
    openai-api-key = {
      readers       = ["application", "group:qa-team@company.com"]
      rotation_days = 30
    }
    neo4j-credentials = { readers = ["application"], destroy_ttl_days = 7 }
  }
}

run "a_secret_is_named_by_its_environment_and_kept_in_one_region" {
  command = plan

  assert {
    condition = jsonencode({
      for name, secret in google_secret_manager_secret.secret : name => [
        secret.secret_id, secret.labels, secret.deletion_protection,
        secret.replication[0].user_managed[0].replicas[*].location,
      ]
      }) == jsonencode({
      openai-api-key    = ["staging-openai-api-key", { application = "living-twin", environment = "staging" }, true, ["europe-west1"]]
      neo4j-credentials = ["staging-neo4j-credentials", { application = "living-twin", environment = "staging" }, true, ["europe-west1"]]
    })
    error_message = "ids, labels, protection and region must follow the environment"
  }
}

run "only_a_secret_with_a_period_rotates" {
  command = plan

  assert {
    condition = jsonencode({
      for name, secret in google_secret_manager_secret.secret : name => secret.rotation
      }) == jsonencode({
      openai-api-key    = [{ next_rotation_time = "2090-01-02T09:00:00Z", rotation_period = "2592000s" }]
      neo4j-credentials = []
    })
    error_message = "a period of 30 days must become a rotation, and none no rotation"
  }
}

run "a_secret_made_late_joins_in_at_the_next_turn" {
  command = plan

  variables {
    rotation_starts = "2020-01-01T09:00:00Z"
  }

  assert {
    condition = timecmp(google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time, plantimestamp()) > 0 && (
      timecmp(google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time, timeadd(plantimestamp(), "721h")) <= 0
    )
    error_message = "the first rotation must lie ahead, at most one period"
  }
  assert {
    condition     = endswith(google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time, "T09:00:00Z")
    error_message = "the first rotation must keep the time of day"
  }
}

# More than a thousand turns, the most that Terraform counts at once, lie between the two times.
run "a_secret_rotated_daily_joins_in_after_years_as_well" {
  command = plan

  variables {
    rotation_starts = "2020-01-01T09:00:00Z"
    secrets         = { openai-api-key = { readers = ["application"], rotation_days = 1 } }
  }

  assert {
    condition = timecmp(google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time, plantimestamp()) > 0 && (
      timecmp(google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time, timeadd(plantimestamp(), "25h")) <= 0
    )
    error_message = "the first rotation must lie ahead, at most one day"
  }
  assert {
    condition     = endswith(google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time, "T09:00:00Z")
    error_message = "the first rotation must keep the time of day"
  }
}

run "a_destroyed_version_can_be_had_back_for_a_while" {
  command = plan

  assert {
    condition = jsonencode({
      for name, secret in google_secret_manager_secret.secret : name => secret.version_destroy_ttl
    }) == jsonencode({ openai-api-key = "2592000s", neo4j-credentials = "604800s" })
    error_message = "30 days unless the secret says otherwise"
  }
}

run "readers_read_their_own_secrets_only" {
  command = apply

  variables {
    deletion_protection = false
  }

  assert {
    condition = jsonencode(sort([
      for grant in google_secret_manager_secret_iam_member.reader : join(" ", [grant.secret_id, grant.role, grant.member])
      ])) == jsonencode([
      "staging-neo4j-credentials roles/secretmanager.secretAccessor serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com",
      "staging-openai-api-key roles/secretmanager.secretAccessor group:qa-team@company.com",
      "staging-openai-api-key roles/secretmanager.secretAccessor serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com",
    ])
    error_message = "each reader must be granted each of its secrets, and no more"
  }
  assert {
    condition = jsonencode([output.service_account_email, output.secret_ids, output.secret_topic_id]) == jsonencode([
      "living-twin-staging@living-twin-staging.iam.gserviceaccount.com",
      { neo4j-credentials = "staging-neo4j-credentials", openai-api-key = "staging-openai-api-key" },
      "projects/living-twin-staging/topics/twinguard-staging-secret-events",
    ])
    error_message = "outputs must name the account, the secrets and the topic"
  }
}

run "a_rotation_once_set_is_left_to_secret_manager" {
  command = plan

  variables {
    rotation_starts = "2095-01-01T00:00:00Z"
  }

  assert {
    condition     = google_secret_manager_secret.secret["openai-api-key"].rotation[0].next_rotation_time == "2090-01-02T09:00:00Z"
    error_message = "Secret Manager moves the time on; a plan must not move it back"
  }
}

run "secret_manager_announces_rotations_in_the_region" {
  command = plan

  assert {
    condition = jsonencode([
      google_pubsub_topic.secret_events.name,
      google_pubsub_topic.secret_events.message_storage_policy[0].allowed_persistence_regions,
      google_project_service_identity.secret_manager.service,
      google_pubsub_topic_iam_member.secret_manager.topic,
      google_pubsub_topic_iam_member.secret_manager.role,
      google_pubsub_topic_iam_member.secret_manager.member,
      ]) == jsonencode([
      "twinguard-staging-secret-events",
      ["europe-west1"],
      "secretmanager.googleapis.com",
      "twinguard-staging-secret-events",
      "roles/pubsub.publisher",
      "serviceAccount:service-123456789012@gcp-sa-secretmanager.iam.gserviceaccount.com",
    ])
    error_message = "the service agent, and nobody else here, must publish to the topic"
  }
}

run "an_existing_service_account_is_adopted" {
  command = plan

  assert {
    condition = jsonencode([
      google_service_account.application["living-twin-staging"].account_id,
      google_service_account.application["living-twin-staging"].create_ignore_already_exists,
    ]) == jsonencode(["living-twin-staging", true])
    error_message = "the application's account must be taken over where it exists"
  }
}
