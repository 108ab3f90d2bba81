# SPDX-License-Identifier: Apache-2.0
# BigQuery refuses a view of a table that is not there, so views wait for the first export.

locals {
  dataset = "${var.project_id}.${google_bigquery_dataset.export.dataset_id}"
}

resource "google_bigquery_table" "view" {
  #checkov:skip=CKV_GCP_121:Nothing is kept in a view; the next apply makes it again.
  for_each = var.export.connected ? local.tables : {}

  project     = var.project_id
  dataset_id  = google_bigquery_dataset.export.dataset_id
  table_id    = each.key
  description = "Rows of ${each.value} under lasting names; the query is Twinguard's billing/costs.sql."
  labels      = local.labels

  # Nothing is kept in a view.
  deletion_protection = false

  view {
    query          = replace(var.view_sql, "{table}", "${local.dataset}.${each.value}")
    use_legacy_sql = false
  }
}
