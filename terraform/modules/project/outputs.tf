# SPDX-License-Identifier: Apache-2.0

output "id" {
  description = "Id of the project, once its services are on."
  value       = local.id

  depends_on = [google_project_service.enabled]
}

output "number" {
  description = "Number of the project, as budgets and service agents want it."
  value       = local.number

  depends_on = [google_project_service.enabled]
}
