# SPDX-License-Identifier: Apache-2.0
# Who a job may become: any job of the repository the one that plans and the one that tests, a job
# on the branch the one that applies as well.

locals {
  _account_ids = merge(
    { apply = "${var.name}-apply", plan = "${var.name}-plan" },
    var.tests == null ? {} : { tests = var.tests },
  )

  # Written out, because the provider knows an e-mail only after apply.
  accounts = {
    for name, id in local._account_ids : name => "${id}@${var.project_id}.iam.gserviceaccount.com"
  }

  # After the account, and yet known before it is there: a plan says who is granted what.
  members = {
    for name, account in google_service_account.account :
    name => "serviceAccount:${account.account_id}@${var.project_id}.iam.gserviceaccount.com"
  }

  _members       = "principalSet://iam.googleapis.com/${local.pool}"
  _any_job       = "${local._members}/attribute.repository_id/${var.repository.id}"
  _job_on_branch = "${local._members}/attribute.delivery/${var.repository.id}:apply"
  jobs = {
    for name in keys(local._account_ids) :
    name => name == "apply" ? local._job_on_branch : local._any_job
  }
}

resource "google_service_account" "account" {
  for_each = local._account_ids

  project      = var.project_id
  account_id   = each.value
  display_name = "Twinguard, ${var.environment}: GitHub ${each.key}"

  # The one that tests has a name of your choice, and often exists.
  create_ignore_already_exists = each.key == "tests" ? true : null
}

resource "google_service_account_iam_member" "job" {
  for_each = local.jobs

  service_account_id = google_service_account.account[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value

  # Google refuses a member of a pool that does not exist.
  depends_on = [google_iam_workload_identity_pool_provider.github]
}
