# SPDX-License-Identifier: Apache-2.0
# Our log lines become a metric; they and every access to a secret are kept as the security audit log.

locals {
  # The environment, too: two of them may share a project.
  _services = join(" OR ", [for service in sort(values(var.functions)) : jsonencode(service)])
  our_lines = join(" AND ", [
    "resource.type = \"cloud_run_revision\"",
    "resource.labels.service_name = (${local._services})",
    "jsonPayload.logger = \"twinguard\"",
    "jsonPayload.environment = \"${var.environment}\"",
  ])
  secret_access = join(" AND ", [
    "(log_id(\"cloudaudit.googleapis.com/data_access\") OR log_id(\"cloudaudit.googleapis.com/activity\"))",
    "protoPayload.serviceName = \"secretmanager.googleapis.com\"",
  ])
}

resource "google_logging_metric" "outcomes" {
  project     = var.project_id
  name        = "${local.name}-outcomes"
  description = "Events by how they ended: done, retry, refused, dead letter or misconfigured."
  filter      = "${local.our_lines} AND jsonPayload.outcome = (\"done\" OR \"retry\" OR \"refused\" OR \"dead letter\" OR \"misconfigured\")"

  label_extractors = {
    entry_point = "EXTRACT(jsonPayload.event)"
    outcome     = "EXTRACT(jsonPayload.outcome)"
  }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = "${local.title}: outcomes"

    labels {
      key         = "entry_point"
      value_type  = "STRING"
      description = "The function's entry point."
    }
    labels {
      key         = "outcome"
      value_type  = "STRING"
      description = "How the event ended."
    }
  }
}

resource "google_logging_project_bucket_config" "security_audit" {
  project        = var.project_id
  location       = var.location
  bucket_id      = "${local.name}-security-audit"
  description    = "What Twinguard did in ${var.environment}, and who touched a secret."
  retention_days = var.audit_days
}

# A sink to a log bucket of its own project writes as Cloud Logging itself: its writer identity is
# empty, and granting a role to it would be refused.
resource "google_logging_project_sink" "security_audit" {
  project                = var.project_id
  name                   = "${local.name}-security-audit"
  description            = "What Twinguard did in ${var.environment}, and who touched a secret."
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.security_audit.id}"
  filter                 = "(${local.our_lines}) OR (${local.secret_access})"
  unique_writer_identity = true
}
