# SPDX-License-Identifier: Apache-2.0
# The gateway as a Cloud Run service, under a name of the application's: night and cap hold it like
# any other service of the policy, so its instances belong to the runtime once it is made.

locals {
  ingress = {
    all           = "INGRESS_TRAFFIC_ALL"
    internal      = "INGRESS_TRAFFIC_INTERNAL_ONLY"
    load-balancer = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  }
  keys = "/var/run/provider-keys"

  variables = {
    TWINGUARD_COUNTERS      = var.counters.url
    TWINGUARD_COUNTERS_CA   = var.counters.certificates
    TWINGUARD_LLM_USAGE     = var.usage_topic
    TWINGUARD_POLICY        = var.policy_json
    TWINGUARD_PROVIDER_KEYS = local.keys
    TWINGUARD_RECORDS       = var.records_url
  }
}

resource "google_cloud_run_v2_service" "gateway" {
  project             = var.project_id
  location            = var.region
  name                = var.service.name
  description         = "Twinguard's gateway to language models, ${var.environment}."
  labels              = var.labels
  ingress             = local.ingress[var.service.ingress]
  deletion_protection = var.deletion_protection

  template {
    service_account                  = local.account
    labels                           = var.labels
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    max_instance_request_concurrency = var.service.concurrency
    # Beyond the longest answer: the gateway ends a call itself, and settles it.
    timeout = "${min(3600, var.seconds + 30)}s"

    scaling {
      min_instance_count = var.service.minimum
      max_instance_count = var.service.maximum
    }

    # The counters are in a private network; providers and Google are reached past it.
    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"

      network_interfaces {
        network    = var.counters.network
        subnetwork = var.counters.subnetwork
      }
    }

    containers {
      image = var.service.image

      ports {
        container_port = 8080
      }

      resources {
        limits = { cpu = "1", memory = "1Gi" }
        # Usage lines, the ledger's sums and blocks go their way between requests.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.variables

        content {
          name  = env.key
          value = env.value
        }
      }
      env {
        name = "TWINGUARD_KEY_PEPPER"

        # The newest whenever an instance starts: a new pepper is written in front of the old one.
        value_source {
          secret_key_ref {
            secret  = var.pepper_secret
            version = "latest"
          }
        }
      }

      # A file for each provider, read for each call: a rotated key needs no new revision.
      dynamic "volume_mounts" {
        for_each = var.provider_secrets

        content {
          name       = "key-${volume_mounts.key}"
          mount_path = "${local.keys}/${volume_mounts.key}"
        }
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 30

        http_get {
          path = "/healthz"
        }
      }
      liveness_probe {
        period_seconds    = 15
        timeout_seconds   = 5
        failure_threshold = 4

        http_get {
          path = "/healthz"
        }
      }
    }

    dynamic "volumes" {
      for_each = var.provider_secrets

      content {
        name = "key-${volumes.key}"

        secret {
          secret = volumes.value

          items {
            path    = "key"
            version = "latest"
          }
        }
      }
    }
  }

  # Night and cap change them; the next apply must not undo that.
  lifecycle {
    ignore_changes = [scaling, template[0].scaling, client, client_version]
  }
}
