# SPDX-License-Identifier: Apache-2.0
# A preference below Google's default is a hard limit: what goes over it is refused, not billed.

resource "google_cloud_quotas_quota_preference" "limit" {
  for_each = var.quotas

  parent        = "projects/${var.project_id}"
  name          = each.key
  service       = each.value.service
  quota_id      = each.value.quota
  dimensions    = length(each.value.dimensions) > 0 ? each.value.dimensions : null
  contact_email = var.contact
  justification = "Hard limit of ${var.environment}, kept in its policy."

  quota_config {
    preferred_value = tostring(each.value.value)
  }

  # Google holds up any cut of more than a tenth unless this check is ignored. The other check,
  # QUOTA_DECREASE_BELOW_USAGE, stays on: a limit below what runs at that moment is refused.
  ignore_safety_checks = "QUOTA_DECREASE_PERCENTAGE_TOO_HIGH"
}
