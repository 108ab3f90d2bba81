# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  name       = "twinguard-staging"
  project_id = "living-twin-staging"
  region     = "europe-west1"
  users      = {}
}

run "a_name_that_firestore_refuses_is_refused" {
  command = plan
  variables {
    name = "DB"
  }
  expect_failures = [var.name]
}

run "a_name_too_long_for_the_counters_is_refused" {
  command = plan
  variables {
    counters = {}
    name     = "twinguard-with-a-name-that-fills-all-of-fifty-five-char"
  }
  expect_failures = [var.name]
}

run "a_long_name_is_taken_where_there_are_no_counters" {
  command = plan
  variables {
    name = "twinguard-with-a-name-that-fills-all-of-fifty-five-char"
  }

  assert {
    condition     = length(google_firestore_database.records.name) == 55
    error_message = "the counters' limit is not the database's"
  }
}

run "a_region_that_is_none_is_refused" {
  command = plan
  variables {
    region = "Europe"
  }
  expect_failures = [var.region]
}

run "a_node_in_small_letters_is_refused" {
  command = plan
  variables {
    counters = { node = "shared-core-nano" }
  }
  expect_failures = [var.counters]
}

run "a_store_without_a_shard_is_refused" {
  command = plan
  variables {
    counters = { shards = 0 }
  }
  expect_failures = [var.counters]
}

run "half_a_replica_is_refused" {
  command = plan
  variables {
    counters = { replicas = 0.5 }
  }
  expect_failures = [var.counters]
}

run "a_range_that_begins_in_its_middle_is_refused" {
  command = plan
  variables {
    counters = { cidr = "10.80.0.1/24" }
  }
  expect_failures = [var.counters]
}

run "public_addresses_are_refused" {
  command = plan
  variables {
    counters = { cidr = "172.32.0.0/24" }
  }
  expect_failures = [var.counters]
}

run "a_subnetwork_that_cloud_run_refuses_is_refused" {
  command = plan
  variables {
    counters = { cidr = "10.80.0.0/27" }
  }
  expect_failures = [var.counters]
}

run "a_person_who_would_use_the_counters_is_refused" {
  command = plan
  variables {
    counter_users = { somebody = "somebody@example.com" }
  }
  expect_failures = [var.counter_users]
}
