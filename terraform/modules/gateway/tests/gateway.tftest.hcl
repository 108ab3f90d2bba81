# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  counters = {
    certificates = "-----BEGIN CERTIFICATE-----"
    network      = "twinguard-staging-counters"
    subnetwork   = "twinguard-staging-counters"
    url          = "rediss://10.80.0.3:6379?cluster=true&iam=true"
  }
  environment      = "staging"
  invokers         = { application = "serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com" }
  labels           = { environment = "staging" }
  name             = "twinguard-staging"
  pepper_secret    = "staging-key-pepper"
  policy_json      = "{}"
  project_id       = "living-twin-staging"
  provider_secrets = { openai = "staging-openai-api-key", other = "staging-other-key" }
  records_url      = "firestore://living-twin-staging/twinguard-staging"
  region           = "europe-west1"
  seconds          = 300
  service = {
    name  = "living-twin-gateway"
    image = "europe-west1-docker.pkg.dev/living-twin-staging/gateway/gateway@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }
  usage_topic = "projects/living-twin-staging/topics/twinguard-staging-llm-usage"
}

run "nobody_reaches_it_from_outside_unasked" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.gateway.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "Only a policy that says so opens the gateway."
  }
  assert {
    condition     = { for name, grant in google_cloud_run_v2_service_iam_member.invoker : name => "${grant.role} ${grant.member}" } == { application = "roles/run.invoker ${var.invokers.application}" }
    error_message = "Whoever may call it is named."
  }
}

run "it_runs_as_an_account_of_its_own" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.gateway.template[0].service_account == "twinguard-staging-gateway@living-twin-staging.iam.gserviceaccount.com" && output.account == google_cloud_run_v2_service.gateway.template[0].service_account
    error_message = "No other account reads its secrets or publishes its usage."
  }
}

run "it_is_ready_once_it_answers_and_replaced_once_it_does_not" {
  command = plan

  assert {
    condition = toset([
      google_cloud_run_v2_service.gateway.template[0].containers[0].startup_probe[0].http_get[0].path,
      google_cloud_run_v2_service.gateway.template[0].containers[0].liveness_probe[0].http_get[0].path,
    ]) == toset(["/healthz"])
    error_message = "The gateway answers at this path."
  }
}

run "secrets_come_by_reference_and_keys_as_files" {
  command = plan

  assert {
    condition = { for env in google_cloud_run_v2_service.gateway.template[0].containers[0].env : env.name => env.value_source[0].secret_key_ref[0].secret if length(env.value_source) > 0 } == {
      TWINGUARD_KEY_PEPPER = "staging-key-pepper"
    }
    error_message = "The pepper is read from Secret Manager as an instance starts."
  }
  assert {
    condition = { for mount in google_cloud_run_v2_service.gateway.template[0].containers[0].volume_mounts : mount.mount_path => mount.name } == {
      "/var/run/provider-keys/openai" = "key-openai", "/var/run/provider-keys/other" = "key-other"
    }
    error_message = "A provider's key is a file in a folder named after it."
  }
  assert {
    condition = { for volume in google_cloud_run_v2_service.gateway.template[0].volumes : volume.name => [volume.secret[0].secret, volume.secret[0].items[0].path, volume.secret[0].items[0].version] } == {
      key-openai = ["staging-openai-api-key", "key", "latest"], key-other = ["staging-other-key", "key", "latest"]
    }
    error_message = "The newest key counts from the next call on."
  }
}

run "the_counters_are_reached_through_their_private_network" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.gateway.template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" && google_cloud_run_v2_service.gateway.template[0].vpc_access[0].network_interfaces[0].subnetwork == "twinguard-staging-counters"
    error_message = "They have no other address."
  }
}

run "an_answer_ends_before_the_request_does" {
  command = plan
  variables {
    seconds = 3600
  }

  assert {
    condition     = google_cloud_run_v2_service.gateway.template[0].timeout == "3600s"
    error_message = "Cloud Run allows no more than an hour."
  }
}

run "an_image_by_its_tag_is_refused" {
  command = plan
  variables {
    service = { name = "living-twin-gateway", image = "europe-west1-docker.pkg.dev/living-twin-staging/gateway/gateway:latest" }
  }
  expect_failures = [var.service]
}

run "an_unknown_ingress_is_refused" {
  command = plan
  variables {
    service = merge(var.service, { ingress = "everybody" })
  }
  expect_failures = [var.service]
}

run "an_unknown_environment_is_refused" {
  command = plan
  variables {
    environment = "local"
  }
  expect_failures = [var.environment]
}

run "a_name_that_is_too_long_is_refused" {
  command = plan
  variables {
    name = "twinguard-staging-of-everything"
  }
  expect_failures = [var.name]
}
