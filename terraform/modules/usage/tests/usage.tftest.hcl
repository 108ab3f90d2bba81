# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  days         = 400
  environment  = "staging"
  labels       = { environment = "staging" }
  name         = "twinguard-staging"
  project_id   = "living-twin-staging"
  publishers   = { application = "living-twin-staging@living-twin-staging.iam.gserviceaccount.com" }
  pubsub_agent = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
  region       = "europe-west1"
}

run "what_is_published_is_written_to_a_table" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.usage.bigquery_config[0].table == output.table && google_pubsub_subscription.usage.bigquery_config[0].write_metadata
    error_message = "Pub/Sub must write each message, with its metadata, to the table."
  }
  assert {
    condition     = output.table == "living-twin-staging.twinguard_staging_usage.messages" && output.topic == "projects/living-twin-staging/topics/twinguard-staging-llm-usage"
    error_message = "Commands look for the table and the topic by these names."
  }
}

run "the_table_has_the_columns_that_pubsub_writes" {
  command = plan

  assert {
    condition = { for column in jsondecode(google_bigquery_table.messages.schema) : column.name => column.type } == {
      subscription_name = "STRING", message_id = "STRING", publish_time = "TIMESTAMP", data = "JSON", attributes = "JSON"
    }
    error_message = "Pub/Sub refuses a table without its own five columns."
  }
}

run "the_table_forgets_and_is_never_read_whole" {
  command = plan

  assert {
    condition     = google_bigquery_table.messages.require_partition_filter && google_bigquery_table.messages.time_partitioning[0].field == "publish_time" && google_bigquery_table.messages.time_partitioning[0].expiration_ms == 34560000000
    error_message = "A day must be a partition that ends after 400 days, and no query may read all of them unasked."
  }
}

run "what_cannot_be_written_is_kept_for_a_person" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.usage.dead_letter_policy[0].max_delivery_attempts == 100 && google_pubsub_subscription.dead_letters.message_retention_duration == "2678400s"
    error_message = "A message that the table refuses must be kept."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.dead_letters.member == var.pubsub_agent && google_pubsub_subscription_iam_member.dead_letters.member == var.pubsub_agent
    error_message = "Pub/Sub must be allowed to move dead letters, or they come back for ever."
  }
}

run "only_who_serves_models_publishes_and_only_pubsub_writes" {
  command = plan

  assert {
    condition = { for name, grant in google_pubsub_topic_iam_member.publisher : name => "${grant.role} ${grant.member}" } == {
      application = "roles/pubsub.publisher serviceAccount:${var.publishers.application}"
    }
    error_message = "A forged line would be a forged bill."
  }
  assert {
    condition     = google_bigquery_table_iam_member.writer.member == var.pubsub_agent && google_bigquery_table_iam_member.writer.role == "roles/bigquery.dataEditor"
    error_message = "Pub/Sub alone writes the table."
  }
}

run "what_is_kept_goes_only_after_its_protection" {
  command = plan
  variables {
    deletion_protection = false
  }

  assert {
    condition     = !google_bigquery_table.messages.deletion_protection && google_bigquery_dataset.usage.delete_contents_on_destroy
    error_message = "Without protection, an environment must be able to go."
  }
}

run "half_a_day_is_refused" {
  command = plan
  variables {
    days = 0.5
  }
  expect_failures = [var.days]
}

run "an_unknown_environment_is_refused" {
  command = plan
  variables {
    environment = "local"
  }
  expect_failures = [var.environment]
}
