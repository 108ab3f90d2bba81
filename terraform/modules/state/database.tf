# SPDX-License-Identifier: Apache-2.0
# Records outlive what is deployed around them: deleting the database takes two deliberate steps,
# an apply without protection and then a destroy. Until then a destroy leaves it where it is.

locals {
  protection = var.deletion_protection ? {
    state      = "DELETE_PROTECTION_ENABLED"
    on_destroy = "ABANDON"
    } : {
    state      = "DELETE_PROTECTION_DISABLED"
    on_destroy = "DELETE"
  }
}

resource "google_firestore_database" "records" {
  project     = var.project_id
  name        = var.name
  location_id = var.region
  type        = "FIRESTORE_NATIVE"

  concurrency_mode                  = "OPTIMISTIC" # our writes are compare-and-set
  delete_protection_state           = local.protection.state
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  deletion_policy                   = local.protection.on_destroy
}

# Kinds of records that functions/twinguard writes; a test compares them with the code.
locals {
  expiring = toset(["audit", "customer_keys", "dead_letters", "holds", "incidents", "periods"])
  lasting  = toset(["audit_heads", "breakers", "budgets", "channels", "cost_notices", "nights"])
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
