# SPDX-License-Identifier: Apache-2.0
# One member at a time: Google grants its own writer when the export is connected, and an
# authoritative grant would take that away.

resource "google_bigquery_dataset_iam_member" "reader" {
  for_each = var.readers

  project    = var.project_id
  dataset_id = google_bigquery_dataset.export.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# A query is a job of a project, which pays for it: this one. BigQuery knows no smaller grant.
resource "google_project_iam_member" "reader" {
  for_each = var.readers

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = each.value
}

# Accounts whose queries run, and are paid for, elsewhere.
resource "google_bigquery_dataset_iam_member" "viewer" {
  for_each = var.viewers

  project    = var.project_id
  dataset_id = google_bigquery_dataset.export.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = "serviceAccount:${each.value}"
}
