# SPDX-License-Identifier: Apache-2.0
# GitHub signs a token for each job; Google takes it in place of a key. Repository and owner are
# checked by number: a name can be given up and taken by somebody else, a number cannot.

locals {
  _pools   = "projects/${var.project_number}/locations/global/workloadIdentityPools"
  pool_id  = "${var.name}-github"
  pool     = "${local._pools}/${local.pool_id}"
  provider = "${local.pool}/providers/github"

  # pull_request_target runs on the branch's name with a stranger's pull request at hand, and it
  # alone gives a fork's code a token; nobody here needs it.
  admitted = join(" && ", [
    "assertion.repository_owner_id == '${var.repository.owner_id}'",
    "assertion.repository_id == '${var.repository.id}'",
    "assertion.event_name != 'pull_request_target'",
  ])

  # A pull request's ref is refs/pull/N/merge. Events such as workflow_run or issue_comment have the
  # branch's ref whatever set them off, so the two that mean it are named.
  applies = join(" && ", [
    "assertion.ref == 'refs/heads/${var.repository.branch}'",
    "assertion.event_name in ['push', 'workflow_dispatch']",
  ])
}

resource "google_iam_workload_identity_pool" "github" {
  project                   = var.project_id
  workload_identity_pool_id = local.pool_id
  display_name              = "GitHub, ${var.environment}"
  description               = "Jobs of GitHub Actions that deliver ${var.environment}."
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:It knows the subject only; numbers of owner and repository are compared.
  project                            = var.project_id
  workload_identity_pool_id          = local.pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"
  description                        = "Takes tokens of repository ${var.repository.id} only."
  attribute_condition                = local.admitted

  # The subject names the run, for the audit log: GitHub's own can be longer than the 127 characters
  # that Google takes, and then a job is refused for the length of its branch's name.
  attribute_mapping = {
    "google.subject"          = "assertion.repository_id + ':' + assertion.run_id"
    "attribute.repository_id" = "assertion.repository_id"
    "attribute.delivery"      = "assertion.repository_id + (${local.applies} ? ':apply' : ':plan')"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }

  depends_on = [google_iam_workload_identity_pool.github]
}
