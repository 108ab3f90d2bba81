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

run "the_dashboard_shows_five_charts" {
  command = plan

  assert {
    condition = jsonencode(jsondecode(google_monitoring_dashboard.overview.dashboard_json).gridLayout.widgets[*].title) == jsonencode([
      "Budget messages", "Outcomes", "Errors of the functions", "Latency of the functions, 95th percentile, ms", "Dead letters",
    ])
    error_message = "messages, outcomes, errors, latencies and dead letters"
  }
}
