# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_compute_network" {
    defaults = { id = "projects/living-twin-staging/global/networks/twinguard-staging-counters" }
  }
  mock_resource "google_compute_subnetwork" {
    defaults = { id = "projects/living-twin-staging/regions/europe-west1/subnetworks/twinguard-staging-counters" }
  }
  mock_resource "google_memorystore_instance" {
    defaults = {
      endpoints = [{
        connections = [
          { psc_auto_connection = [{ connection_type = "", ip_address = "10.80.0.2" }] },
          { psc_auto_connection = [{ connection_type = "CONNECTION_TYPE_DISCOVERY", ip_address = "10.80.0.3" }] },
        ]
      }]
      managed_server_ca = [{ ca_certs = [{ certificates = ["one", "two"] }] }]
    }
  }
}

variables {
  counter_users = { api = "api@living-twin-staging.iam.gserviceaccount.com" }
  counters      = {}
  labels        = { environment = "staging" }
  name          = "twinguard-staging"
  project_id    = "living-twin-staging"
  region        = "europe-west1"
  users         = {}
}

run "without_counters_there_is_neither_store_nor_network_nor_grant" {
  command = plan
  variables {
    counters = null
  }

  assert {
    condition = 0 == sum([
      length(google_memorystore_instance.counters),
      length(google_compute_network.private),
      length(google_compute_subnetwork.private),
      length(google_network_connectivity_service_connection_policy.counters),
      length(google_project_iam_member.counter_user),
    ])
    error_message = "an environment without counters must not pay for them"
  }
  assert {
    condition     = output.counters == null && output.counters_address == null && length(output.counters_certificates) == 0
    error_message = "what is not there has no address"
  }
}

run "nobody_connects_without_a_token_and_tls" {
  command = plan

  assert {
    condition = [
      google_memorystore_instance.counters["counters"].authorization_mode,
      google_memorystore_instance.counters["counters"].transit_encryption_mode,
    ] == ["IAM_AUTH", "SERVER_AUTHENTICATION"]
    error_message = "a password would be in the state, and plain text on the wire"
  }
}

run "the_smallest_store_is_the_default_and_can_still_grow" {
  command = plan

  assert {
    condition = jsonencode([
      google_memorystore_instance.counters["counters"].instance_id,
      google_memorystore_instance.counters["counters"].node_type,
      google_memorystore_instance.counters["counters"].shard_count,
      google_memorystore_instance.counters["counters"].replica_count,
      google_memorystore_instance.counters["counters"].mode,
      google_memorystore_instance.counters["counters"].engine_version,
    ]) == jsonencode(["twinguard-staging-counters", "SHARED_CORE_NANO", 1, 0, "CLUSTER", "VALKEY_8_0"])
    error_message = "one shard must be one of a cluster: the mode cannot be changed later"
  }
}

run "the_policys_size_is_the_stores_size" {
  command = plan
  variables {
    counters = { node = "STANDARD_SMALL", shards = 3, replicas = 1, cidr = "172.31.4.0/26" }
  }

  assert {
    condition = jsonencode([
      google_memorystore_instance.counters["counters"].node_type,
      google_memorystore_instance.counters["counters"].shard_count,
      google_memorystore_instance.counters["counters"].replica_count,
      google_compute_subnetwork.private["counters"].ip_cidr_range,
    ]) == jsonencode(["STANDARD_SMALL", 3, 1, "172.31.4.0/26"])
    error_message = "numbers live in the policy"
  }
}

run "neither_full_memory_nor_a_restart_lifts_a_block" {
  command = plan

  assert {
    condition     = google_memorystore_instance.counters["counters"].engine_configs == tomap({ maxmemory-policy = "noeviction" })
    error_message = "a full store must refuse writes, not forget blocks"
  }
  assert {
    condition = jsonencode([
      google_memorystore_instance.counters["counters"].persistence_config[0].mode,
      google_memorystore_instance.counters["counters"].persistence_config[0].aof_config[*].append_fsync,
    ]) == jsonencode(["AOF", ["EVERY_SEC"]])
    error_message = "a restart must not hand back spent money"
  }
}

run "protection_is_lifted_for_records_and_counters_together" {
  command = plan
  variables {
    deletion_protection = false
  }

  assert {
    condition = jsonencode([
      google_memorystore_instance.counters["counters"].deletion_protection_enabled,
      google_firestore_database.records.delete_protection_state,
      google_firestore_database.records.deletion_policy,
    ]) == jsonencode([false, "DELETE_PROTECTION_DISABLED", "DELETE"])
    error_message = "an environment that is given up must be able to go, all of it"
  }
}

run "counters_are_protected_unless_somebody_says_otherwise" {
  command = plan

  assert {
    condition     = google_memorystore_instance.counters["counters"].deletion_protection_enabled
    error_message = "one mistaken destroy would lift every block"
  }
}

run "the_network_is_private_and_the_subnetwork_logs_little" {
  command = plan

  assert {
    condition = jsonencode([
      google_compute_network.private["counters"].auto_create_subnetworks,
      google_compute_subnetwork.private["counters"].private_ip_google_access,
      google_compute_subnetwork.private["counters"].ip_cidr_range,
      google_compute_subnetwork.private["counters"].log_config[0].aggregation_interval,
      google_compute_subnetwork.private["counters"].log_config[0].metadata,
    ]) == jsonencode([false, true, "10.80.0.0/24", "INTERVAL_15_MIN", "EXCLUDE_ALL_METADATA"])
    error_message = "one subnetwork, with a way to Google's APIs, and flow logs that cost next to nothing"
  }
}

run "an_account_may_connect_to_this_instance_only" {
  command = plan

  assert {
    condition = [for grant in google_project_iam_member.counter_user : [grant.role, grant.member, grant.condition[0].expression]] == [[
      "roles/memorystore.dbConnectionUser",
      "serviceAccount:api@living-twin-staging.iam.gserviceaccount.com",
      "resource.name == \"projects/living-twin-staging/locations/europe-west1/instances/twinguard-staging-counters\"",
    ]]
    error_message = "the role is the whole project's"
  }
}

run "the_application_is_told_its_way_before_anything_is_made" {
  command = plan

  assert {
    condition = output.counters == {
      instance   = "projects/living-twin-staging/locations/europe-west1/instances/twinguard-staging-counters"
      network    = "twinguard-staging-counters"
      subnetwork = "twinguard-staging-counters"
    }
    error_message = "names must be known in the first plan"
  }
}

run "endpoints_are_made_in_the_private_network_and_the_discovery_one_is_told" {
  command = apply
  variables {
    deletion_protection = false
  }

  assert {
    condition = jsonencode([
      google_memorystore_instance.counters["counters"].desired_auto_created_endpoints,
      google_network_connectivity_service_connection_policy.counters["counters"].service_class,
      google_network_connectivity_service_connection_policy.counters["counters"].network,
      google_network_connectivity_service_connection_policy.counters["counters"].psc_config[0].subnetworks,
      ]) == jsonencode([
      [{ network = "projects/living-twin-staging/global/networks/twinguard-staging-counters", project_id = "living-twin-staging" }],
      "gcp-memorystore",
      "projects/living-twin-staging/global/networks/twinguard-staging-counters",
      ["projects/living-twin-staging/regions/europe-west1/subnetworks/twinguard-staging-counters"],
    ])
    error_message = "Memorystore must find its policy and its subnetwork"
  }
  assert {
    condition     = output.counters_address == "10.80.0.3" && output.counters_certificates == ["one", "two"]
    error_message = "a cluster's client begins at the discovery endpoint and checks the certificate"
  }
}
