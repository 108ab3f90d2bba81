# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

mock_provider "google-beta" {}

variables {
  budget_topic = "twinguard-staging-budget-alerts"
  bundle       = "../../../.cache/bundle/${one(fileset("../../../.cache/bundle", "twinguard-*.zip"))}"
  channel_secrets = {
    SLACK_WEBHOOK_URL = { secret = "staging-slack-webhook-url", version = "3" }
  }
  counters         = { url = "firestore://living-twin-staging/twinguard-staging" }
  channel_settings = { SECURITY_EMAIL = "security@example.com" }
  environment      = "staging"
  labels           = { environment = "staging" }
  name             = "twinguard-staging"
  policy_json      = "{}"
  project_id       = "living-twin-staging"
  project_number   = "123456789012"
  records_url      = "firestore://living-twin-staging/twinguard-staging"
  region           = "europe-west1"
  secret_topic     = "twinguard-staging-secret-events"
  schedule = {
    time_zone = "Europe/Brussels"
    night     = { at = "02:05", days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }
    morning   = { at = "06:30", days = ["mon", "sun"] }
  }
  services = {
    living-twin-api = { location = "europe-west1", holders = [] }
    living-twin-worker = {
      account  = "worker@living-twin-staging.iam.gserviceaccount.com"
      holders  = ["on-budget-alert", "on-schedule"]
      location = "europe-west4"
    }
  }
  subscriptions = { living-twin-push = { holders = ["on-schedule"] } }
}

run "a_slot_becomes_a_cron_in_its_time_zone" {
  command = plan

  assert {
    condition     = { for task, job in google_cloud_scheduler_job.job : task => job.schedule } == { night = "5 2 * * *", morning = "30 6 * * 1,0", expire = "30 3 * * *", flush = "*/10 * * * *", rotate = "0 5 * * *" }
    error_message = "days are numbered from sunday"
  }

  assert {
    condition     = alltrue([for job in google_cloud_scheduler_job.job : job.time_zone == "Europe/Brussels"])
    error_message = "times are wall-clock times"
  }
}

run "without_a_schedule_nothing_sleeps_but_digests_and_expiry_go_on" {
  command = plan
  variables {
    schedule = null
  }

  assert {
    condition     = keys(google_cloud_scheduler_job.job) == ["expire", "flush", "rotate"]
    error_message = "a storm's digest and old records do not depend on nights"
  }
}

run "a_task_goes_where_it_is_understood" {
  command = plan

  assert {
    condition     = { for task, job in google_cloud_scheduler_job.job : task => "${basename(job.pubsub_target[0].topic_name)} ${job.pubsub_target[0].attributes.task}" } == { night = "twinguard-staging-schedule night", morning = "twinguard-staging-schedule morning", expire = "twinguard-staging-schedule expire", flush = "twinguard-staging-alerts flush", rotate = "twinguard-staging-schedule rotate" }
    error_message = "flush belongs to dispatch-alert"
  }
}

run "each_function_runs_as_itself" {
  command = plan

  assert {
    condition     = length(distinct([for item in google_cloudfunctions2_function.function : item.service_config[0].service_account_email])) == 5
    error_message = "one account may do only what one entry point does"
  }

  assert {
    condition     = alltrue([for item in google_cloudfunctions2_function.function : endswith(item.build_config[0].service_account, "twinguard-staging-build@living-twin-staging.iam.gserviceaccount.com")])
    error_message = "the default account may do too much"
  }
}

run "the_zip_is_named_by_its_content" {
  command = plan

  assert {
    condition     = can(regex("^twinguard-[0-9a-f]{16}[.]zip$", google_storage_bucket_object.bundle.name))
    error_message = "or a change of the code is no deployment"
  }
}

run "secrets_are_pinned_and_only_for_who_sends" {
  command = plan

  assert {
    condition     = [for item in google_cloudfunctions2_function.function["dispatch-alert"].service_config[0].secret_environment_variables : "${item.key} ${item.secret} ${item.version}"] == ["SLACK_WEBHOOK_URL staging-slack-webhook-url 3"]
    error_message = "a version is chosen by the policy"
  }

  assert {
    condition     = length(google_cloudfunctions2_function.function["on-budget-alert"].service_config[0].secret_environment_variables) == 0
    error_message = "who scales needs no channel"
  }
}

run "the_audience_is_known_before_the_function_is" {
  command = plan

  assert {
    condition     = alltrue([for name, item in google_cloudfunctions2_function.function : item.service_config[0].environment_variables.TWINGUARD_PUSH_AUDIENCE == "https://europe-west1-living-twin-staging.cloudfunctions.net/${item.name}"])
    error_message = "the function checks what the subscription sends"
  }

  assert {
    condition     = alltrue([for name, item in google_pubsub_subscription.push : item.push_config[0].oidc_token[0].audience == google_cloudfunctions2_function.function[name].service_config[0].environment_variables.TWINGUARD_PUSH_AUDIENCE])
    error_message = "both must be the same"
  }
}

run "a_call_ends_before_it_is_repeated" {
  command = plan

  assert {
    condition     = alltrue([for name, item in google_pubsub_subscription.push : item.ack_deadline_seconds > google_cloudfunctions2_function.function[name].service_config[0].timeout_seconds])
    error_message = "a repeated call would run beside the first"
  }
}

run "a_grant_is_on_the_named_resource_for_the_named_function" {
  command = plan

  assert {
    condition     = keys(google_cloud_run_v2_service_iam_member.holder) == ["on-budget-alert living-twin-worker", "on-schedule living-twin-worker"]
    error_message = "what nobody holds is granted to nobody"
  }

  assert {
    condition     = google_cloud_run_v2_service_iam_member.holder["on-schedule living-twin-worker"].location == "europe-west4"
    error_message = "a service may live elsewhere"
  }

  assert {
    condition     = keys(google_pubsub_subscription_iam_member.holder) == ["on-schedule living-twin-push"]
    error_message = "subscriptions are granted one by one"
  }

  assert {
    condition     = keys(google_service_account_iam_member.actor) == ["on-budget-alert worker@living-twin-staging.iam.gserviceaccount.com", "on-schedule worker@living-twin-staging.iam.gserviceaccount.com"]
    error_message = "only a named account is acted as"
  }
}

run "billing_is_out_of_reach_by_default" {
  command = plan

  assert {
    condition     = !contains(keys(google_project_iam_custom_role.role), "billing_unlinker") && length(google_project_iam_member.billing_unlinker) == 0
    error_message = "unlinking is not reversible"
  }

  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.function["on-budget-alert"].service_config[0].environment_variables), "TWINGUARD_MAY_UNLINK")
    error_message = "the second switch is off"
  }
}

run "with_both_switches_only_the_budgets_function_may_unlink" {
  command = plan
  variables {
    may_unlink = true
  }

  assert {
    condition     = google_project_iam_custom_role.role["billing_unlinker"].permissions == toset(["resourcemanager.projects.deleteBillingAssignment", "resourcemanager.projects.get"])
    error_message = "it may unlink and look, never link"
  }

  assert {
    condition     = keys(google_project_iam_member.billing_unlinker) == ["on-budget-alert"]
    error_message = "nobody else needs it"
  }

  assert {
    condition     = google_cloudfunctions2_function.function["on-budget-alert"].service_config[0].environment_variables.TWINGUARD_MAY_UNLINK == "living-twin-staging"
    error_message = "the switch names the project"
  }
}

run "a_zip_that_is_not_named_by_its_digest_is_refused" {
  command = plan
  variables {
    bundle = "../../../.cache/bundle/functions.zip"
  }
  expect_failures = [var.bundle]
}

run "a_zip_that_is_not_what_its_name_says_is_refused" {
  command = plan
  variables {
    bundle = "../../../.cache/bundle/twinguard-0123456789abcdef.zip"
  }
  expect_failures = [var.bundle]
}

run "a_version_that_moves_is_refused" {
  command = plan
  variables {
    channel_secrets = { SMTP_PASSWORD = { secret = "staging-smtp-password", version = "latest" } }
  }
  expect_failures = [var.channel_secrets]
}

run "a_name_that_would_not_be_protected_is_refused" {
  command = plan
  variables {
    name = "guard-staging"
  }
  expect_failures = [var.name]
}

run "a_name_too_long_for_an_account_is_refused" {
  command = plan
  variables {
    name = "twinguard-preproduction"
  }
  expect_failures = [var.name]
}

run "a_holder_that_changes_nothing_is_refused" {
  command = plan
  variables {
    services = { living-twin-api = { location = "europe-west1", holders = ["dispatch-alert"] } }
  }
  expect_failures = [var.services]
}

run "a_holder_of_subscriptions_that_changes_nothing_is_refused" {
  command = plan
  variables {
    subscriptions = { living-twin-push = { holders = ["dispatch-alert"] } }
  }
  expect_failures = [var.subscriptions]
}

run "a_plan_says_who_is_granted_what_before_anybody_is_there" {
  command = plan

  assert {
    condition = {
      for name, grant in google_cloud_run_v2_service_iam_member.holder : name => [grant.role, grant.member]
      } == {
      "on-budget-alert living-twin-worker" = [
        "projects/living-twin-staging/roles/twinguard_staging_service_holder",
        "serviceAccount:twinguard-staging-budget@living-twin-staging.iam.gserviceaccount.com",
      ]
      "on-schedule living-twin-worker" = [
        "projects/living-twin-staging/roles/twinguard_staging_service_holder",
        "serviceAccount:twinguard-staging-schedule@living-twin-staging.iam.gserviceaccount.com",
      ]
    }
    error_message = "what is known after apply only, nobody can review"
  }

  assert {
    condition = one(distinct(concat(
      [google_service_account_iam_member.push_tokens.member],
      values(google_pubsub_topic_iam_member.dead_letters)[*].member,
      values(google_pubsub_subscription_iam_member.dead_letters)[*].member,
    ))) == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's agent is named by the project's number, whether or not Google tells its address"
  }
}

run "refuses_a_projects_id_in_place_of_its_number" {
  command = plan
  variables {
    project_number = "living-twin-staging"
  }
  expect_failures = [var.project_number]
}
