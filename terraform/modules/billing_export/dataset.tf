# SPDX-License-Identifier: Apache-2.0
# Cloud Billing makes and fills the tables; a person connects it, because no API does. No key of our
# own and no expiration: with the one Cloud Billing cannot write, with the other the past is lost.

locals {
  labels = merge(var.labels, { environment = var.environment })

  _account = replace(var.billing_account, "-", "_")
  _names = {
    costs          = "gcp_billing_export_v1_${local._account}"
    costs_detailed = "gcp_billing_export_resource_v1_${local._account}"
  }
  tables = {
    for view, table in local._names : view => table if view == "costs" || var.export.detailed
  }
}

resource "google_bigquery_dataset" "export" {
  project     = var.project_id
  dataset_id  = var.export.dataset
  location    = var.export.location
  description = "Cloud Billing's export of ${var.billing_account}, and the views that costs are read from."
  labels      = local.labels

  # What is deleted here is never exported again.
  delete_contents_on_destroy = false
}
