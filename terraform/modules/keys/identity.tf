# SPDX-License-Identifier: Apache-2.0

resource "google_service_account" "application" {
  for_each = toset(var.service_account[*])

  project      = var.project_id
  account_id   = each.value
  display_name = "Living Twin, ${var.environment}"
  description  = "The application of ${var.environment}; reads the secrets that name it as a reader."

  # An adopted project often has it already.
  create_ignore_already_exists = true
}

locals {
  # After the account, and yet known before it is there: a plan says who is granted what.
  _emails = [
    for account in google_service_account.application :
    "${account.account_id}@${var.project_id}.iam.gserviceaccount.com"
  ]
  application_email = one(local._emails)
  application       = one([for email in local._emails : "serviceAccount:${email}"])
}
