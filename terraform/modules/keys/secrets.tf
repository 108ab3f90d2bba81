# SPDX-License-Identifier: Apache-2.0
# Secrets without values: versions are added by a command, so that no value enters the state.

locals {
  labels = merge(var.labels, { environment = var.environment })

  # Secret Manager refuses a first rotation in the past, so a secret joins in at the first turn that
  # is still to come. Afterwards Secret Manager moves the time on, and Terraform leaves it alone.
  # Counted in thousands first: a range has 1024 numbers at most, and a turn may be a day.
  _periods = {
    for name, secret in var.secrets :
    name => 24 * secret.rotation_days if secret.rotation_days != null
  }
  _thousands = {
    for name, hours in local._periods : name => [
      for thousand in range(1000) : timeadd(var.rotation_starts, "${1000 * hours * thousand}h")
      if 1000 * hours * thousand < 2500000 # a duration holds 292 years
    ]
  }
  _latest = {
    for name, starts in local._thousands : name => concat([var.rotation_starts], [
      for start in starts : start if timecmp(start, plantimestamp()) <= 0
    ])
  }
  _turns = {
    for name, hours in local._periods : name => [
      for turn in range(1002) : timeadd(reverse(local._latest[name])[0], "${hours * turn}h")
      if hours * turn < 2500000
    ]
  }
  next_rotation = {
    for name, turns in local._turns : name => [
      for turn in turns : turn if timecmp(turn, timeadd(plantimestamp(), "1h")) > 0
    ][0]
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each = var.secrets

  project             = var.project_id
  secret_id           = "${var.environment}-${each.key}"
  labels              = local.labels
  version_destroy_ttl = "${86400 * each.value.destroy_ttl_days}s"
  deletion_protection = var.deletion_protection

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  topics {
    name = google_pubsub_topic.secret_events.id
  }

  dynamic "rotation" {
    for_each = each.value.rotation_days[*]

    content {
      rotation_period    = "${86400 * rotation.value}s"
      next_rotation_time = local.next_rotation[each.key]
    }
  }

  lifecycle {
    # Secret Manager moves the time on; a rotation says which version is `current`.
    ignore_changes = [rotation[0].next_rotation_time, version_aliases]
  }

  # Secret Manager checks that it may publish before it takes the topic.
  depends_on = [google_pubsub_topic_iam_member.secret_manager]
}
