# SPDX-License-Identifier: Apache-2.0

output "records_url" {
  description = "What TWINGUARD_RECORDS is set to, once its users may use it."
  value       = "firestore://${var.project_id}/${google_firestore_database.records.name}"

  depends_on = [google_project_iam_member.user]
}
