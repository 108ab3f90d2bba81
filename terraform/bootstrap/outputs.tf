# SPDX-License-Identifier: Apache-2.0

output "bucket" {
  description = "Name of the bucket that keeps the state of all environments."
  value       = google_storage_bucket.state.name
}
