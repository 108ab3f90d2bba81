# SPDX-License-Identifier: Apache-2.0
# Wall-clock times in the policy's zone; a job may fire twice, the functions do its work once.

locals {
  _weekdays = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

  _slots = var.schedule == null ? {} : {
    night   = var.schedule.night
    morning = var.schedule.morning
  }
  _crons = {
    for task, slot in local._slots : task => join(" ", [
      tonumber(split(":", slot.at)[1]),
      tonumber(split(":", slot.at)[0]),
      "*",
      "*",
      length(slot.days) == 7 ? "*" : join(",", [for day in slot.days : local._weekdays[day]]),
    ])
  }

  jobs = merge(
    { for task, cron in local._crons : task => { topic = "schedule", cron = cron } },
    {
      expire = { topic = "schedule", cron = "30 3 * * *" }
      flush  = { topic = "alerts", cron = "*/10 * * * *" }
      rotate = { topic = "schedule", cron = "0 5 * * *" }
    },
    # The month is complete, and its late rows are there, by the fourth.
    var.costs == "" ? {} : {
      costs  = { topic = "schedule", cron = "0 7 * * *" }
      report = { topic = "schedule", cron = "30 7 4 * *" }
    },
    # After OpenAI's day is over and Google's export has most of it.
    var.costs == "" && var.openai_admin_secret == null ? {} : {
      reconcile = { topic = "schedule", cron = "0 8 * * *" }
    },
  )
}

resource "google_cloud_scheduler_job" "job" {
  for_each = local.jobs

  project     = var.project_id
  region      = var.region
  name        = "${var.name}-${each.key}"
  description = "Twinguard: the task ${each.key}."
  schedule    = each.value.cron
  time_zone   = var.schedule == null ? "Etc/UTC" : var.schedule.time_zone

  pubsub_target {
    topic_name = "projects/${var.project_id}/topics/${google_pubsub_topic.topic[each.value.topic].name}"
    attributes = { task = each.key }
  }

  retry_config {
    retry_count          = 5
    min_backoff_duration = "5s"
    max_backoff_duration = "300s"
  }
}
