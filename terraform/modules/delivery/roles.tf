# SPDX-License-Identifier: Apache-2.0
# What the two accounts may do, by the resources that terraform/modules make. Where Google's own
# role would read data or a secret's value as well, a custom role has the few permissions needed.

locals {
  _reads = [
    "roles/artifactregistry.reader",
    "roles/bigquery.metadataViewer",
    "roles/browser",
    "roles/cloudfunctions.viewer",
    "roles/cloudquotas.viewer",
    "roles/cloudscheduler.viewer",
    "roles/compute.networkViewer",
    "roles/iam.roleViewer",
    "roles/iam.securityReviewer", # who is granted what, everywhere in the project
    "roles/iam.serviceAccountViewer",
    "roles/iam.workloadIdentityPoolViewer",
    "roles/memorystore.viewer",
    "roles/monitoring.viewer",
    "roles/pubsub.viewer",
    "roles/run.viewer",
    "roles/secretmanager.viewer", # not the values
    "roles/serviceusage.serviceUsageConsumer",
    "roles/storage.bucketViewer", # not the objects
  ]
  _changes = [
    "roles/artifactregistry.admin",
    "roles/bigquery.dataOwner",
    "roles/cloudfunctions.developer",
    "roles/cloudquotas.admin",
    "roles/cloudscheduler.admin",
    "roles/compute.networkAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/logging.configWriter",
    "roles/memorystore.admin",
    "roles/monitoring.editor",
    "roles/networkconnectivity.consumerNetworkAdmin",
    "roles/pubsub.admin",
    "roles/run.admin",
    "roles/serviceusage.serviceUsageAdmin",
  ]

  # With these an apply could widen itself: a custom role that it holds, or who may become it.
  _changes_trust = var.may_change_trust ? [
    "roles/iam.roleAdmin",
    "roles/iam.workloadIdentityPoolAdmin",
  ] : []

  # An apply plans, too.
  roles = {
    plan  = local._reads
    apply = concat(local._reads, local._changes, local._changes_trust)
  }

  permissions = {
    reader = [
      "datastore.databases.get",
      "datastore.databases.getMetadata",
      "datastore.indexes.get",
      "datastore.indexes.list",
      "firebase.projects.get",
      "firebaseauth.configs.get",
      "logging.buckets.get",
      "logging.logMetrics.get",
      "logging.sinks.get",
      "networkconnectivity.serviceConnectionPolicies.get",
    ]
    writer = [
      "datastore.databases.create",
      "datastore.databases.update",
      "datastore.indexes.create",
      "datastore.indexes.delete",
      "datastore.indexes.update",
      "datastore.operations.get",
      "firebase.projects.update",
      "firebaseauth.configs.create",
      "firebaseauth.configs.update",
      "secretmanager.secrets.create",
      "secretmanager.secrets.delete",
      "secretmanager.secrets.setIamPolicy",
      "secretmanager.secrets.update",
    ]
  }
}

# After the role, and yet known before it is there.
locals {
  role_names = {
    for name, role in google_project_iam_custom_role.role :
    name => "projects/${var.project_id}/roles/${role.role_id}"
  }
}

resource "google_project_iam_custom_role" "role" {
  for_each = local.permissions

  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_delivery_${each.key}"
  title       = "${var.name} delivery ${each.key}"
  description = "What GitHub Actions needs besides Google's own roles; see terraform/modules/delivery."
  permissions = each.value
}
