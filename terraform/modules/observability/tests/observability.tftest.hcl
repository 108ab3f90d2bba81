# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_logging_project_bucket_config" {
    defaults = { id = "projects/living-twin-staging/locations/global/buckets/twinguard-staging-security-audit" }
  }
  override_resource {
    target = google_monitoring_notification_channel.email["finance@company.com"]
    values = { id = "projects/living-twin-staging/notificationChannels/1" }
  }
  override_resource {
    target = google_monitoring_notification_channel.email["platform@company.com"]
    values = { id = "projects/living-twin-staging/notificationChannels/2" }
  }
}

variables {
  audit_days   = 400
  budget_topic = "twinguard-staging-budget-alerts"
  contacts     = ["platform@company.com", "finance@company.com"]
  dead_letter_subscriptions = {
    on_budget_alert = "twinguard-staging-budget-alerts-dead-letters"
  }
  environment = "staging"
  functions = {
    on_budget_alert = "twinguard-staging-on-budget-alert"
    on_schedule     = "twinguard-staging-on-schedule"
  }
  labels     = { application = "living-twin" }
  prefix     = "twinguard"
  project_id = "living-twin-staging"

  services      = ["living-twin-worker", "living-twin-api"]
  subscriptions = ["living-twin-ingest-push"]
}

run "every_contact_is_a_channel_and_hears_of_every_alert" {
  command = apply

  assert {
    condition = jsonencode(output.notification_channel_ids) == jsonencode([
      "projects/living-twin-staging/notificationChannels/1",
      "projects/living-twin-staging/notificationChannels/2",
    ])
    error_message = "each address must be a channel"
  }
  assert {
    condition = alltrue([
      for alert in concat(values(google_monitoring_alert_policy.threshold), [
        google_monitoring_alert_policy.silence, google_monitoring_alert_policy.refused,
        google_monitoring_alert_policy.late_blocks,
      ]) : alert.notification_channels == output.notification_channel_ids
    ])
    error_message = "every alert must reach every channel"
  }
  assert {
    condition     = google_logging_project_sink.security_audit.destination == "logging.googleapis.com/projects/living-twin-staging/locations/global/buckets/twinguard-staging-security-audit"
    error_message = "the sink must write to the audit log's bucket"
  }
}

run "there_is_an_alert_for_each_thing_that_can_fail" {
  command = plan

  assert {
    condition = jsonencode({
      for key, alert in google_monitoring_alert_policy.threshold : key => [alert.display_name, alert.severity]
      }) == jsonencode({
      "dead letters of on_budget_alert" = ["Twinguard staging: dead letters of on_budget_alert", "CRITICAL"]
      "errors of on_budget_alert"       = ["Twinguard staging: errors of on_budget_alert", "ERROR"]
      "errors of on_schedule"           = ["Twinguard staging: errors of on_schedule", "ERROR"]
    })
    error_message = "one alert for each dead-letter subscription and each function"
  }
}

run "the_first_dead_letter_raises_an_alert" {
  command = plan

  assert {
    condition = jsonencode([
      for condition in google_monitoring_alert_policy.threshold["dead letters of on_budget_alert"].conditions[*].condition_threshold[0] :
      [condition.filter, condition.comparison, condition.threshold_value, condition.duration, condition.aggregations[0].per_series_aligner]
      ]) == jsonencode([[
        "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"twinguard-staging-budget-alerts-dead-letters\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\"",
        "COMPARISON_GT", 0, "0s", "ALIGN_MAX",
    ]])
    error_message = "more than none, at once"
  }
}

run "a_retry_that_heals_raises_no_alert_and_a_third_one_does" {
  command = plan

  assert {
    condition = jsonencode([
      for condition in google_monitoring_alert_policy.threshold["errors of on_schedule"].conditions[*].condition_threshold[0] :
      [condition.filter, condition.comparison, condition.threshold_value, condition.aggregations[0].alignment_period]
      ]) == jsonencode([[
        "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"twinguard-staging-on-schedule\" AND metric.labels.response_code_class = \"5xx\" AND metric.type = \"run.googleapis.com/request_count\"",
        "COMPARISON_GT", 2, "600s",
    ]])
    error_message = "three errors within ten minutes"
  }
}

run "six_hours_without_a_budget_message_raise_an_alert" {
  command = plan

  assert {
    condition = jsonencode([
      google_monitoring_alert_policy.silence.conditions[0].condition_absent[0].filter,
      google_monitoring_alert_policy.silence.conditions[0].condition_absent[0].duration,
      ]) == jsonencode([
      "resource.type = \"pubsub_topic\" AND resource.labels.topic_id = \"twinguard-staging-budget-alerts\" AND metric.type = \"pubsub.googleapis.com/topic/send_request_count\" AND metric.labels.response_class = \"success\"",
      "21600s",
    ])
    error_message = "silence on the budget topic must be noticed after six hours"
  }
  assert {
    condition = jsonencode([
      google_monitoring_alert_policy.silence.conditions[1].condition_threshold[0].comparison,
      google_monitoring_alert_policy.silence.conditions[1].condition_threshold[0].threshold_value,
      google_monitoring_alert_policy.silence.conditions[1].condition_threshold[0].aggregations[0].alignment_period,
    ]) == jsonencode(["COMPARISON_LT", 1, "21600s"])
    error_message = "and so must six hours of zeros"
  }
}

run "a_refused_caller_raises_one_alert_an_hour" {
  command = plan

  assert {
    condition = jsonencode([
      google_monitoring_alert_policy.refused.conditions[0].condition_matched_log[0].filter,
      google_monitoring_alert_policy.refused.alert_strategy[0].notification_rate_limit[0].period,
      ]) == jsonencode([
      "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = (\"twinguard-staging-on-budget-alert\" OR \"twinguard-staging-on-schedule\") AND jsonPayload.logger = \"twinguard\" AND jsonPayload.environment = \"staging\" AND jsonPayload.outcome = \"refused\"",
      "3600s",
    ])
    error_message = "our own log line about it must be matched, at most once an hour"
  }
}

run "every_alert_says_what_it_means_and_what_to_do_and_closes_by_itself" {
  command = plan

  assert {
    condition = alltrue([
      for alert in concat(values(google_monitoring_alert_policy.threshold), [
        google_monitoring_alert_policy.silence, google_monitoring_alert_policy.refused,
        google_monitoring_alert_policy.late_blocks,
        ]) : strcontains(alert.documentation[0].content, "**What it means.** ") && (
        strcontains(alert.documentation[0].content, "**What to do.** ")
      ) && alert.documentation[0].subject == alert.display_name && can(regex("^[0-9]+s$", alert.alert_strategy[0].auto_close))
    ])
    error_message = "an alert without a next step only wakes people up"
  }
}

run "outcomes_of_our_own_lines_are_counted" {
  command = plan

  assert {
    condition = jsonencode([
      google_logging_metric.outcomes.name,
      endswith(google_logging_metric.outcomes.filter, " AND jsonPayload.outcome = (\"done\" OR \"retry\" OR \"refused\" OR \"dead letter\" OR \"misconfigured\")"),
      strcontains(google_logging_metric.outcomes.filter, "jsonPayload.environment = \"staging\""),
      google_logging_metric.outcomes.label_extractors,
      sort(google_logging_metric.outcomes.metric_descriptor[0].labels[*].key),
      ]) == jsonencode([
      "twinguard-staging-outcomes", true, true,
      { entry_point = "EXTRACT(jsonPayload.event)", outcome = "EXTRACT(jsonPayload.outcome)" },
      ["entry_point", "outcome"],
    ])
    error_message = "every outcome must be counted by entry point"
  }
}

run "the_security_audit_log_is_kept_as_long_as_the_policy_says" {
  command = plan

  assert {
    condition = jsonencode([
      google_logging_project_bucket_config.security_audit.bucket_id,
      google_logging_project_bucket_config.security_audit.location,
      google_logging_project_bucket_config.security_audit.retention_days,
    ]) == jsonencode(["twinguard-staging-security-audit", "global", 400])
    error_message = "the audit log must be kept for audit_days"
  }
  assert {
    condition = strcontains(google_logging_project_sink.security_audit.filter, "protoPayload.serviceName = \"secretmanager.googleapis.com\"") && (
      strcontains(google_logging_project_sink.security_audit.filter, "jsonPayload.logger = \"twinguard\"")
      ) && (
      strcontains(google_logging_project_sink.security_audit.filter, "log_id(\"cloudaudit.googleapis.com/data_access\")")
    )
    error_message = "it must hold our own lines and every access to a secret"
  }
}

run "the_dashboard_shows_money_the_application_and_twinguard" {
  command = plan

  assert {
    condition = jsonencode(jsondecode(google_monitoring_dashboard.overview.dashboard_json).gridLayout.widgets[*].title) == jsonencode([
      "Where the money is seen",
      "Spend of the month as the budget reports it, by status",
      "Budget messages",
      "Calls of Google's APIs by service, whole project",
      "Requests by service",
      "Instances by service",
      "Unread messages by subscription",
      "Age of the oldest unread message by subscription, s",
      "Outcomes",
      "Errors of the functions",
      "Latency of the functions, 95th percentile, ms",
      "Dead letters",
      "Age of blocks on arrival, 99th percentile, ms",
    ])
    error_message = "money first, then the application, then Twinguard itself"
  }
  assert {
    condition = [
      for chart in local.charts : chart.filter if chart.title == "Requests by service"
    ] == ["resource.type = \"cloud_run_revision\" AND resource.labels.service_name = one_of(\"living-twin-api\",\"living-twin-worker\") AND metric.type = \"run.googleapis.com/request_count\""]
    error_message = "of the application's services only, in a fixed order"
  }
}

run "without_services_and_subscriptions_nothing_is_asked_of_an_empty_list" {
  command = plan
  variables {
    services      = []
    subscriptions = []
  }

  assert {
    condition     = length(local.charts) == 8 && !strcontains(google_monitoring_dashboard.overview.dashboard_json, "one_of()")
    error_message = "a chart of nothing must be left out"
  }
}

run "every_chart_has_the_same_keys_and_none_is_empty" {
  command = plan

  assert {
    condition = alltrue([
      for chart in local.charts :
      jsonencode(keys(chart)) == jsonencode(["aligner", "by", "filter", "reducer", "seconds", "title"]) &&
      alltrue([for value in values(chart) : value != null && value != ""])
    ])
    error_message = "the API drops what is empty, and the provider shows a change for ever"
  }
}

run "the_age_of_a_block_is_measured_for_every_service_of_the_environment" {
  command = plan

  assert {
    condition = jsonencode([
      google_logging_metric.block_age.name,
      google_logging_metric.block_age.filter,
      google_logging_metric.block_age.value_extractor,
      google_logging_metric.block_age.metric_descriptor[0].value_type,
      google_logging_metric.block_age.metric_descriptor[0].unit,
      ]) == jsonencode([
      "twinguard-staging-block-age",
      "resource.type = \"cloud_run_revision\" AND jsonPayload.logger = \"twinguard\" AND jsonPayload.environment = \"staging\" AND jsonPayload.event = \"block_received\"",
      "EXTRACT(jsonPayload.age_ms)", "DISTRIBUTION", "ms",
    ])
    error_message = "the line that README.md describes must be read"
  }
}

run "a_block_that_arrives_after_more_than_a_second_raises_an_alert" {
  command = plan

  assert {
    condition = jsonencode([
      google_monitoring_alert_policy.late_blocks.display_name,
      google_monitoring_alert_policy.late_blocks.conditions[0].condition_prometheus_query_language[0].query,
      google_monitoring_alert_policy.late_blocks.conditions[0].condition_prometheus_query_language[0].duration,
      google_monitoring_alert_policy.late_blocks.conditions[0].condition_prometheus_query_language[0].disable_metric_validation,
      ]) == jsonencode([
      "Twinguard staging: blocks arrive late",
      "histogram_quantile(0.99, sum by (service_name, le) (increase(logging_googleapis_com:user_twinguard_staging_block_age_bucket{monitored_resource=\"cloud_run_revision\"}[5m]))) > 1000",
      "0s", true,
    ])
    error_message = "later than a second, in one service, within five minutes"
  }
}

run "the_limit_is_a_bound_of_the_buckets_and_not_the_last_one" {
  command = plan
  variables {
    block_age_ms = 300
  }

  assert {
    condition = jsonencode(google_logging_metric.block_age.bucket_options[0].explicit_buckets[0].bounds) == jsonencode([
      10, 50, 100, 250, 300, 500, 1000, 2500, 5000, 10000, 30000,
    ])
    error_message = "or the percentile would be guessed across the limit"
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.late_blocks.conditions[0].condition_prometheus_query_language[0].query, " > 300")
    error_message = "the limit of the input must be the alert's"
  }
}

run "what_the_budget_reports_becomes_a_chart_by_its_status" {
  command = plan

  assert {
    condition = jsonencode([
      google_logging_metric.spend.name,
      endswith(google_logging_metric.spend.filter, " AND jsonPayload.event = \"on_budget_alert\" AND jsonPayload.outcome = \"done\" AND jsonPayload.decision =~ \"^(capped|within): [0-9.]+ of \""),
      strcontains(google_logging_metric.spend.filter, "jsonPayload.environment = \"staging\""),
      google_logging_metric.spend.value_extractor,
      google_logging_metric.spend.label_extractors,
      ]) == jsonencode([
      "twinguard-staging-spend", true, true,
      "REGEXP_EXTRACT(jsonPayload.decision, \"^[a-z]+: ([0-9.]+) of \")",
      { status = "REGEXP_EXTRACT(jsonPayload.decision, \"^([a-z]+): \")" },
    ])
    error_message = "the amount and the status must be read from the decision"
  }
}

run "an_instance_that_hears_of_no_blocks_raises_one_alert_an_hour" {
  command = plan

  assert {
    condition = jsonencode([
      google_monitoring_alert_policy.unheard_blocks.conditions[0].condition_matched_log[0].filter,
      google_monitoring_alert_policy.unheard_blocks.alert_strategy[0].notification_rate_limit[0].period,
      ]) == jsonencode([
      "resource.type = \"cloud_run_revision\" AND jsonPayload.logger = \"twinguard\" AND jsonPayload.environment = \"staging\" AND jsonPayload.event = \"block_list_stale\"",
      "3600s",
    ])
    error_message = "the line that a block list writes while it is not followed must be noticed"
  }
}

run "usage_that_no_table_took_raises_an_alert" {
  command = plan
  variables {
    usage_dead_letters = "twinguard-staging-llm-usage-dead-letters"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.threshold["dead letters of models' usage"].conditions[0].condition_threshold[0].filter, "subscription_id = \"twinguard-staging-llm-usage-dead-letters\"")
    error_message = "costs, statements and a rebuilt ledger would lack it without a word"
  }
}
