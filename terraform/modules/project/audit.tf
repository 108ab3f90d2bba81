# SPDX-License-Identifier: Apache-2.0

# Authoritative for each service: what is set by hand for one of them is replaced.
resource "google_project_iam_audit_config" "audited" {
  for_each = var.audited_services

  project = local.id
  service = each.value

  dynamic "audit_log_config" {
    for_each = toset(["ADMIN_READ", "DATA_READ", "DATA_WRITE"])

    content {
      log_type = audit_log_config.value
    }
  }

  depends_on = [google_project_service.enabled]
}
