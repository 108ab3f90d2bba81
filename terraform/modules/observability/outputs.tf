# SPDX-License-Identifier: Apache-2.0

output "notification_channel_ids" {
  description = "Full names of the e-mail channels, as budgets and alert policies take them."
  value       = local.channels
}
