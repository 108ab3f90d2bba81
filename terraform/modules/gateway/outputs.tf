# SPDX-License-Identifier: Apache-2.0

output "account" {
  description = "E-mail of the gateway's service account."
  value       = local.account
}

output "location" {
  description = "Region of the service, once it is there."
  value       = google_cloud_run_v2_service.gateway.location
}

output "uri" {
  description = "Address of the service; known after apply."
  value       = google_cloud_run_v2_service.gateway.uri
}
