# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_bigquery_dataset" {
    defaults = { id = "projects/living-twin-prod/datasets/billing_export" }
  }
}

variables {
  billing_account = "012345-6789AB-CDEF01"
  environment     = "production"
  labels          = { application = "living-twin" }
  project_id      = "living-twin-prod"
  readers = [
    "group:finance@example.com",
    "serviceAccount:monitor@living-twin-prod.iam.gserviceaccount.com",
  ]
  view_sql = "SELECT 1 AS one FROM `{table}` AS line"
}

run "what_was_exported_is_never_deleted" {
  command = plan

  assert {
    condition = jsonencode([
      google_bigquery_dataset.export.dataset_id,
      google_bigquery_dataset.export.location,
      google_bigquery_dataset.export.labels,
      google_bigquery_dataset.export.delete_contents_on_destroy,
      google_bigquery_dataset.export.default_table_expiration_ms,
      google_bigquery_dataset.export.default_partition_expiration_ms,
      google_bigquery_dataset.export.default_encryption_configuration,
      ]) == jsonencode([
      "billing_export", "EU", { application = "living-twin", environment = "production" },
      false, null, null, [],
    ])
    error_message = "the dataset must keep everything, labelled, in the EU, without a key of our own"
  }
}

run "no_view_is_made_before_its_table_is_there" {
  command = apply

  assert {
    condition     = length(google_bigquery_table.view) == 0 && output.views == {}
    error_message = "BigQuery refuses a view of a table that is not there"
  }
  assert {
    condition     = output.dataset_id == "projects/living-twin-prod/datasets/billing_export"
    error_message = "the dataset's full name must be told, to be chosen in the console"
  }
  assert {
    condition     = output.tables == { costs = "gcp_billing_export_v1_012345_6789AB_CDEF01" }
    error_message = "the expected name follows the billing account, with _ for -"
  }
}

run "once_connected_the_costs_can_be_read" {
  command = apply

  variables {
    export = { connected = true }
  }

  assert {
    condition = jsonencode({
      for name, view in google_bigquery_table.view : name => [
        view.dataset_id, view.labels.environment, view.deletion_protection,
        view.view[0].use_legacy_sql, view.view[0].query,
      ]
      }) == jsonencode({
      costs = [
        "billing_export", "production", false, false,
        "SELECT 1 AS one FROM `living-twin-prod.billing_export.gcp_billing_export_v1_012345_6789AB_CDEF01` AS line",
      ]
    })
    error_message = "one view must read the standard export, in standard SQL"
  }
  assert {
    condition     = output.views == { costs = "living-twin-prod.billing_export.costs" }
    error_message = "the view must be named as a query writes it"
  }
}

run "the_detailed_export_has_its_own_view_of_the_same_query" {
  command = plan

  variables {
    export = { dataset = "costs_of_all", location = "US", connected = true, detailed = true }
  }

  assert {
    condition = {
      for name, view in google_bigquery_table.view : name => view.view[0].query
      } == {
      costs          = "SELECT 1 AS one FROM `living-twin-prod.costs_of_all.gcp_billing_export_v1_012345_6789AB_CDEF01` AS line"
      costs_detailed = "SELECT 1 AS one FROM `living-twin-prod.costs_of_all.gcp_billing_export_resource_v1_012345_6789AB_CDEF01` AS line"
    }
    error_message = "each view must read its own table"
  }
  assert {
    condition     = google_bigquery_dataset.export.location == "US"
    error_message = "the location must be the policy's"
  }
}

run "a_reader_reads_this_dataset_and_queries_at_this_projects_expense" {
  command = plan

  assert {
    condition = jsonencode([
      for grant in google_bigquery_dataset_iam_member.reader :
      join(" ", [grant.project, grant.dataset_id, grant.role, grant.member])
      ]) == jsonencode([
      "living-twin-prod billing_export roles/bigquery.dataViewer group:finance@example.com",
      "living-twin-prod billing_export roles/bigquery.dataViewer serviceAccount:monitor@living-twin-prod.iam.gserviceaccount.com",
    ])
    error_message = "data must be granted on the dataset only"
  }
  assert {
    condition = jsonencode([
      for grant in google_project_iam_member.reader :
      join(" ", [grant.project, grant.role, grant.member])
      ]) == jsonencode([
      "living-twin-prod roles/bigquery.jobUser group:finance@example.com",
      "living-twin-prod roles/bigquery.jobUser serviceAccount:monitor@living-twin-prod.iam.gserviceaccount.com",
    ])
    error_message = "on the project, a reader may start queries and nothing else"
  }
}

run "without_readers_nothing_is_granted" {
  command = plan

  variables {
    readers = []
  }

  assert {
    condition = (
      length(google_bigquery_dataset_iam_member.reader) + length(google_project_iam_member.reader) == 0
    )
    error_message = "nobody asked to read"
  }
}
