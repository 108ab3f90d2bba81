# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "111111111111" }
  }
  mock_resource "google_project" {
    defaults = { number = "222222222222" }
  }
}

variables {
  billing_account = "012345-6789AB-CDEF01"
  labels          = { environment = "staging" }
  project         = { id = "living-twin-staging" }
  services        = ["run.googleapis.com", "secretmanager.googleapis.com"]
}

run "a_project_is_adopted_unless_its_creation_is_asked_for" {
  command = plan

  assert {
    condition     = length(google_project.created) == 0
    error_message = "an adopted project must not be created"
  }
  assert {
    condition     = output.id == "living-twin-staging" && output.number == "111111111111"
    error_message = "id and number must be those of the adopted project"
  }
}

run "services_are_turned_on_and_never_off" {
  command = plan

  assert {
    condition = {
      for name, service in google_project_service.enabled : name => [service.project, service.disable_on_destroy]
      } == {
      "run.googleapis.com"           = ["living-twin-staging", false]
      "secretmanager.googleapis.com" = ["living-twin-staging", false]
    }
    error_message = "every service must be on, and stay on when this is destroyed"
  }
}

run "who_reads_a_secret_is_written_down" {
  command = plan

  assert {
    condition = jsonencode({
      for name, config in google_project_iam_audit_config.audited :
      name => { for log in config.audit_log_config : log.log_type => log.exempted_members }
      }) == jsonencode({
      "secretmanager.googleapis.com" = { ADMIN_READ = null, DATA_READ = null, DATA_WRITE = null }
    })
    error_message = "all three kinds of access to Secret Manager must be audited, for everybody"
  }
}

run "default_service_accounts_are_disabled_and_come_back_with_a_destroy" {
  command = plan

  assert {
    condition = {
      for name, accounts in google_project_default_service_accounts.default :
      name => [accounts.project, accounts.action, accounts.restore_policy]
    } == { disable = ["living-twin-staging", "DISABLE", "REVERT"] }
    error_message = "nothing may start as a default account, and destroying this must enable them again"
  }
}

run "default_service_accounts_can_lose_their_roles_instead" {
  command = plan
  variables {
    project = { id = "living-twin-staging", default_accounts = "deprivilege" }
  }

  assert {
    condition = {
      for name, accounts in google_project_default_service_accounts.default :
      name => [accounts.project, accounts.action, accounts.restore_policy]
    } == { deprivilege = ["living-twin-staging", "DEPRIVILEGE", "NONE"] }
    error_message = "what runs as a default account must keep starting, without its roles"
  }
}

run "default_service_accounts_can_be_left_alone" {
  command = plan
  variables {
    project = { id = "living-twin-staging", default_accounts = "keep" }
  }

  assert {
    condition     = length(google_project_default_service_accounts.default) == 0
    error_message = "keep must change nothing"
  }
}

run "a_created_project_has_no_default_network_and_cannot_be_destroyed_by_mistake" {
  command = apply

  variables {
    project = { id = "living-twin-ci", create = true, folder_id = "123456789012" }
  }

  assert {
    condition = google_project.created["living-twin-ci"].name == "living-twin-ci" && (
      google_project.created["living-twin-ci"].folder_id == "123456789012"
      ) && (
      google_project.created["living-twin-ci"].billing_account == "012345-6789AB-CDEF01"
      ) && (
      !google_project.created["living-twin-ci"].auto_create_network
      ) && (
      google_project.created["living-twin-ci"].deletion_policy == "PREVENT"
    )
    error_message = "the project must be created in its folder, paid for, without a network, and protected"
  }
  assert {
    condition     = output.number == "222222222222" && length(data.google_project.adopted) == 0
    error_message = "a created project's number must come from the resource"
  }
}

run "a_project_that_the_cap_unlinked_is_not_linked_again" {
  command = plan

  variables {
    billing_account = "FEDCBA-987654-3210FE"
    project         = { id = "living-twin-ci", create = true, folder_id = "123456789012" }
  }

  assert {
    condition     = google_project.created["living-twin-ci"].billing_account == "012345-6789AB-CDEF01"
    error_message = "an apply must leave the billing account as it finds it"
  }
}
