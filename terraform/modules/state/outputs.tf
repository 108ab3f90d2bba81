# SPDX-License-Identifier: Apache-2.0

output "counters" {
  description = "Full name of the counters' instance, and network and subnetwork for the application's direct VPC egress, once its users may connect; null without counters."
  value = one([for kind in keys(local.counters) : {
    instance   = local.counters_name
    network    = google_compute_network.private[kind].name
    subnetwork = google_compute_subnetwork.private[kind].name
  }])

  depends_on = [google_memorystore_instance.counters, google_project_iam_member.counter_user]
}

output "counters_address" {
  description = "Address that a cluster's client asks for the nodes, on port 6379 with TLS; null without counters, known after apply."
  value = try(flatten([
    for instance in google_memorystore_instance.counters : [
      for endpoint in instance.endpoints : [
        for connection in endpoint.connections : [
          for made in connection.psc_auto_connection : made.ip_address
          if made.connection_type == "CONNECTION_TYPE_DISCOVERY"
        ]
      ]
    ]
  ])[0], null)
}

output "counters_certificates" {
  description = "Certificates, none of them secret, that the counters' clients trust; empty without counters, known after apply."
  value = flatten([
    for instance in google_memorystore_instance.counters : [
      for authority in instance.managed_server_ca : authority.ca_certs[*].certificates
    ]
  ])
}

output "records_url" {
  description = "What TWINGUARD_RECORDS is set to, once its users may use it."
  value       = "firestore://${var.project_id}/${google_firestore_database.records.name}"

  depends_on = [google_project_iam_member.user]
}
