# SPDX-License-Identifier: Apache-2.0

output "dataset_id" {
  description = "Full name of the dataset, as projects/living-twin-prod/datasets/billing_export, once its readers may read it."
  value       = google_bigquery_dataset.export.id

  depends_on = [google_bigquery_dataset_iam_member.reader, google_project_iam_member.reader]
}

output "tables" {
  description = "Names that Cloud Billing gives its tables, by the view that reads them; expected, whether or not they are there yet."
  value       = local.tables
}

output "views" {
  description = "Name of each view as a query writes it, as living-twin-prod.billing_export.costs; empty until connected."
  value = {
    for name, view in google_bigquery_table.view :
    name => "${view.project}.${view.dataset_id}.${view.table_id}"
  }

  depends_on = [google_bigquery_dataset_iam_member.reader, google_project_iam_member.reader]
}
