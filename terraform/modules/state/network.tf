# SPDX-License-Identifier: Apache-2.0
# A network for the counters and for those who use them: nothing in it has a public address, and
# without a firewall rule nothing comes in.

resource "google_compute_network" "private" {
  #checkov:skip=CKV2_GCP_18:Without a rule nothing comes in, and that is what is wanted.
  for_each = local.counters

  project                 = var.project_id
  name                    = local.counters_id
  description             = "Twinguard's counters and the application's way to them."
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

resource "google_compute_subnetwork" "private" {
  for_each = local.counters

  project                  = var.project_id
  region                   = var.region
  name                     = local.counters_id
  description              = "Endpoints of the counters, and the application's instances."
  network                  = google_compute_network.private[each.key].id
  ip_cidr_range            = each.value.cidr
  private_ip_google_access = true

  # Who talked to the store is worth knowing, each packet is not: logs are paid for by their size.
  log_config {
    aggregation_interval = "INTERVAL_15_MIN"
    flow_sampling        = 0.25
    metadata             = "EXCLUDE_ALL_METADATA"
  }
}

# Lets Memorystore make its two endpoints here. A network has one such policy in a region.
resource "google_network_connectivity_service_connection_policy" "counters" {
  for_each = local.counters

  project       = var.project_id
  location      = var.region
  name          = local.counters_id
  description   = "Memorystore makes the endpoints of the counters."
  labels        = var.labels
  network       = google_compute_network.private[each.key].id
  service_class = "gcp-memorystore"

  psc_config {
    subnetworks = [google_compute_subnetwork.private[each.key].id]
  }
}
