# SPDX-License-Identifier: Apache-2.0
# Entry points of functions/main.py as HTTP functions behind push subscriptions of our own.

locals {
  # It makes and ends keys, so only who rotates them gets it.
  _openai = { for secret in var.openai_admin_secret[*] : "OPENAI_ADMIN_KEY" => secret }

  functions = {
    on-budget-alert = {
      topic   = var.budget_topic
      plain   = var.may_unlink ? { TWINGUARD_MAY_UNLINK = var.project_id } : {}
      secrets = {}
    }
    on-schedule = {
      topic   = google_pubsub_topic.topic["schedule"].name
      plain   = var.costs == "" ? {} : { TWINGUARD_COSTS = var.costs }
      secrets = local._openai
    }
    on-secret-event = {
      topic   = var.secret_topic
      plain   = {}
      secrets = local._openai
    }
    on-usage = {
      topic = google_pubsub_topic.topic["usage-events"].name
      plain = {
        TWINGUARD_COUNTERS     = var.counters.url
        TWINGUARD_COUNTERS_CA  = var.counters.certificates
        TWINGUARD_SECRET_TOPIC = "projects/${var.project_id}/topics/${var.secret_topic}"
      }
      secrets = {}
    }
    dispatch-alert = {
      topic   = google_pubsub_topic.topic["alerts"].name
      plain   = var.channel_settings
      secrets = var.channel_secrets
    }
  }

  # Cloud Run's IAM takes a token for the service's own address or for the function's. The second
  # is known before there is a function; the first would make the function depend on itself.
  audiences = {
    for name in local.entry_points :
    name => "https://${var.region}-${var.project_id}.cloudfunctions.net/${var.name}-${name}"
  }
}

resource "google_cloudfunctions2_function" "function" {
  for_each = local.functions

  project     = var.project_id
  location    = var.region
  name        = "${var.name}-${each.key}"
  description = "Twinguard: ${replace(each.key, "-", "_")} for ${var.environment}."
  labels      = var.labels

  build_config {
    runtime           = "python311"
    entry_point       = replace(each.key, "-", "_")
    service_account   = "projects/${var.project_id}/serviceAccounts/${local.accounts["build"]}"
    docker_repository = google_artifact_registry_repository.images.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.bundle.name
      }
    }
  }

  service_config {
    service_account_email = local.accounts[each.key]
    # Pub/Sub of the same project counts as internal while it uses the run.app address.
    ingress_settings               = "ALLOW_INTERNAL_ONLY"
    all_traffic_on_latest_revision = true
    available_cpu                  = "1"
    available_memory               = "512Mi"
    min_instance_count             = 0
    max_instance_count             = 5
    # Below the acknowledgement deadline, or a slow call would be repeated while it still runs.
    timeout_seconds = 540
    # Each instance does one thing at a time; records are compare-and-set across instances.
    max_instance_request_concurrency = 1

    environment_variables = merge(each.value.plain, {
      TWINGUARD_ALERTS_TOPIC  = "projects/${var.project_id}/topics/${google_pubsub_topic.topic["alerts"].name}"
      TWINGUARD_POLICY        = var.policy_json
      TWINGUARD_PUSH_ACCOUNT  = local.accounts["push"]
      TWINGUARD_PUSH_AUDIENCE = local.audiences[each.key]
      TWINGUARD_PUSH_AUTH     = "iam"
      TWINGUARD_RECORDS       = var.records_url
    })

    # The counters are in a private network; the rest of the world is reached past it.
    direct_vpc_egress = each.key == "on-usage" && var.counters.network != null ? "VPC_EGRESS_PRIVATE_RANGES_ONLY" : null

    dynamic "direct_vpc_network_interface" {
      for_each = each.key == "on-usage" ? var.counters.network[*] : []

      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
      }
    }

    dynamic "secret_environment_variables" {
      for_each = each.value.secrets

      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = secret_environment_variables.value.secret
        # Pinned: a new value comes with a deployment that can be undone, not by itself.
        version = secret_environment_variables.value.version
      }
    }
  }

  # The build fails without them, and e-mails written out above say nothing of the order.
  depends_on = [
    google_artifact_registry_repository_iam_member.build_images,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_sources,
    google_service_account.account,
    google_storage_bucket_iam_member.build_bundle,
  ]
}
