# SPDX-License-Identifier: Apache-2.0

locals {
  name   = "${var.prefix}-${var.environment}"
  title  = "${title(var.prefix)} ${var.environment}"
  labels = merge(var.labels, { environment = var.environment })
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.contacts)

  project      = var.project_id
  display_name = "${local.title}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = local.labels
}
