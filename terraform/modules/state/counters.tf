# SPDX-License-Identifier: Apache-2.0
# The hot counters: blocks, rates and what the running month has spent. Not google_redis_instance:
# its auth_string would be computed, and so end up in Terraform's state.

locals {
  # Known before anything is made, so that grants and outputs never wait for it.
  counters_id   = "${var.name}-counters"
  _instances    = "projects/${var.project_id}/locations/${var.region}/instances"
  counters_name = "${local._instances}/${local.counters_id}"
  counters = {
    for kind, counters in { counters = var.counters } : kind => counters if counters != null
  }
}

resource "google_memorystore_instance" "counters" {
  for_each = local.counters

  project                     = var.project_id
  location                    = var.region
  instance_id                 = local.counters_id
  labels                      = var.labels
  node_type                   = each.value.node
  shard_count                 = each.value.shards
  replica_count               = each.value.replicas
  engine_version              = "VALKEY_8_0"
  deletion_protection_enabled = var.deletion_protection

  # Also with one shard: the mode can never be changed, and a second shard would mean another
  # instance, without the blocks and sums of the first. Keys are hash-tagged, so nothing is lost.
  mode = "CLUSTER"

  # Who connects shows a token of its own account, for an hour at most: there is no password.
  authorization_mode      = "IAM_AUTH"
  transit_encryption_mode = "SERVER_AUTHENTICATION"

  # Full memory refuses writes: that is a store that is down, for which the policy has an answer.
  # All else would drop blocks and sums without a word, and a flood of new keys could bring it on.
  engine_configs = { maxmemory-policy = "noeviction" }

  # A restart forgets a second at most; an hour, as with snapshots, would hand back spent money.
  persistence_config {
    mode = "AOF"

    aof_config {
      append_fsync = "EVERY_SEC"
    }
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"

      start_time {
        hours = 3
      }
    }
  }

  # Not desired_psc_auto_connections, which is deprecated.
  desired_auto_created_endpoints {
    network    = google_compute_network.private[each.key].id
    project_id = var.project_id
  }

  # The endpoints are made, and later removed, under this policy.
  depends_on = [google_network_connectivity_service_connection_policy.counters]
}
