# SPDX-License-Identifier: Apache-2.0
# Records outlive what is deployed around them: deleting the database takes two deliberate steps.

resource "google_firestore_database" "records" {
  project     = var.project_id
  name        = var.name
  location_id = var.region
  type        = "FIRESTORE_NATIVE"

  concurrency_mode                  = "OPTIMISTIC" # our writes are compare-and-set
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  deletion_policy                   = "ABANDON"
}

# Kinds of records that functions/twinguard writes; a test compares them with the code.
locals {
  expiring = toset(["audit", "dead_letters", "holds", "incidents", "periods"])
  lasting  = toset(["breakers", "budgets", "channels", "nights"])
}

resource "google_firestore_field" "expiry" {
  for_each = local.expiring

  project    = var.project_id
  database   = google_firestore_database.records.name
  collection = each.value
  field      = "expires_at"

  # Indexed as well: the task `expire` asks for it, to be exact where this works in its own time.
  ttl_config {}
}

# The content is one long text that nobody searches: an index would only make writes dearer.
resource "google_firestore_field" "content" {
  for_each = setunion(local.expiring, local.lasting)

  project    = var.project_id
  database   = google_firestore_database.records.name
  collection = each.value
  field      = "value"

  index_config {}
}
