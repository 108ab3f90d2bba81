# SPDX-License-Identifier: Apache-2.0
# An account that may do what a call to a model needs. What it may elsewhere is granted there: the
# records and counters in modules/state, its secrets in modules/keys, its topic in modules/usage.

locals {
  # Written out, because the provider knows an e-mail only after apply.
  account = "${google_service_account.gateway.account_id}@${var.project_id}.iam.gserviceaccount.com"
}

resource "google_service_account" "gateway" {
  project      = var.project_id
  account_id   = "${var.name}-gateway"
  display_name = "Twinguard, ${var.environment}: gateway"
}

# Who may knock at all; whose call is paid for is a question of the customer's key.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.invokers

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.gateway.name
  role     = "roles/run.invoker"
  member   = each.value
}
