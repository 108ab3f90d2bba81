# SPDX-License-Identifier: Apache-2.0

output "accounts" {
  description = "E-mails of the accounts plan, apply and, where there is one, tests, as a workflow's `service_account`, once jobs may use them."
  value       = local.accounts

  depends_on = [google_service_account_iam_member.job]
}

output "provider" {
  description = "Full name of the identity provider, as a workflow's `workload_identity_provider`."
  value       = local.provider

  depends_on = [google_iam_workload_identity_pool_provider.github]
}
