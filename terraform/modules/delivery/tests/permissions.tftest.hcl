# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  acts_as         = { on-schedule = "twinguard-staging-schedule@living-twin-staging.iam.gserviceaccount.com" }
  billing_account = "012345-6789AB-CDEF01"
  buckets         = { source = "living-twin-staging-source" }
  environment     = "staging"
  grants          = ["projects/living-twin-staging/roles/twinguard_staging_firebase_auth"]
  name            = "twinguard-staging"
  project_id      = "living-twin-staging"
  project_number  = "123456789012"
  repository      = { id = "456", owner_id = "123" }
  state_bucket    = "seed-terraform-state"
  state_project   = "seed-project"
}

run "no_role_is_basic_and_none_reads_the_value_of_a_secret" {
  command = plan

  variables {
    may_change_trust = true
  }

  assert {
    condition = alltrue([
      for grant in google_project_iam_member.role : can(regex("^roles/([a-z]+\\.[A-Za-z]+|browser)$", grant.role))
    ])
    error_message = "a basic role is nearly everything"
  }
  assert {
    condition = length(setintersection(values(google_project_iam_member.role)[*].role, [
      "roles/datastore.owner", "roles/datastore.user", "roles/datastore.viewer", "roles/firebase.viewer",
      "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser", "roles/logging.viewer",
      "roles/resourcemanager.projectIamAdmin", "roles/secretmanager.admin",
      "roles/secretmanager.secretAccessor", "roles/storage.admin", "roles/storage.objectViewer",
    ])) == 0
    error_message = "records, logs, objects, tokens and the values of secrets must not be open on the project"
  }
  assert {
    condition = alltrue(flatten([
      for role in google_project_iam_custom_role.role : [
        for permission in role.permissions :
        !can(regex("^(secretmanager\\.versions|datastore\\.entities|firebaseauth\\.users)\\.", permission))
      ]
    ]))
    error_message = "the custom roles exist so that values, records and users stay closed"
  }
}

run "a_plan_can_only_look" {
  command = plan

  assert {
    condition = alltrue([
      for name, grant in google_project_iam_member.role :
      can(regex("(\\.[a-zA-Z]*(V|v)iewer|Reviewer|\\.reader|/browser|\\.serviceUsageConsumer)$", grant.role))
      if startswith(name, "plan ")
    ])
    error_message = "any branch may plan, so a plan must change nothing"
  }
  assert {
    condition = alltrue([
      for permission in google_project_iam_custom_role.role["reader"].permissions :
      can(regex("\\.(get|getMetadata|list)$", permission))
    ])
    error_message = "the reader must only read"
  }
  assert {
    condition     = !contains(keys(google_project_iam_member.custom), "plan writer")
    error_message = "the writer is for apply"
  }
}

run "each_grant_reaches_its_own_account" {
  command = apply

  assert {
    condition = alltrue([
      for name, grant in merge(google_project_iam_member.role, google_project_iam_member.custom) :
      grant.member == "serviceAccount:twinguard-staging-${split(" ", name)[0]}@living-twin-staging.iam.gserviceaccount.com" && (
        grant.project == "living-twin-staging"
      )
    ])
    error_message = "a grant must reach the account it is named by"
  }
  assert {
    condition = alltrue([
      for name, grant in google_project_iam_member.role : name == "${split(" ", name)[0]} ${grant.role}"
    ])
    error_message = "a grant must be of the role it is named by"
  }
  assert {
    condition = { for name, grant in google_project_iam_member.custom : name => grant.role } == {
      "apply reader" = "projects/living-twin-staging/roles/twinguard_staging_delivery_reader"
      "apply writer" = "projects/living-twin-staging/roles/twinguard_staging_delivery_writer"
      "plan reader"  = "projects/living-twin-staging/roles/twinguard_staging_delivery_reader"
    }
    error_message = "custom roles must be granted by their full names"
  }
}

run "the_custom_roles_are_named_apart_from_those_of_the_functions" {
  command = plan

  assert {
    condition = { for name, role in google_project_iam_custom_role.role : name => role.role_id } == {
      reader = "twinguard_staging_delivery_reader"
      writer = "twinguard_staging_delivery_writer"
    }
    error_message = "a custom role's id must carry the environment and what it is for"
  }
}

run "an_apply_also_plans" {
  command = plan

  assert {
    condition = length(setsubtract(
      [for name in keys(google_project_iam_member.role) : trimprefix(name, "plan ") if startswith(name, "plan ")],
      [for name in keys(google_project_iam_member.role) : trimprefix(name, "apply ") if startswith(name, "apply ")],
    )) == 0
    error_message = "apply must read all that plan reads"
  }
}

run "an_apply_grants_what_the_modules_grant_and_nothing_else" {
  command = plan

  assert {
    condition = google_project_iam_member.grants.role == "roles/resourcemanager.projectIamAdmin" && (
      google_project_iam_member.grants.condition[0].expression == join("", [
        "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([",
        "'projects/living-twin-staging/roles/twinguard_staging_billing_unlinker', ",
        "'projects/living-twin-staging/roles/twinguard_staging_firebase_auth', ",
        "'projects/living-twin-staging/roles/twinguard_staging_watcher', ",
        "'roles/bigquery.jobUser', 'roles/datastore.user', 'roles/logging.logWriter', ",
        "'roles/memorystore.dbConnectionUser', 'roles/storage.objectViewer'])",
      ])
    )
    error_message = "without exactly this condition apply could make itself an owner"
  }
}

run "who_may_apply_is_not_for_an_apply_to_change" {
  command = plan

  assert {
    condition = length(setintersection(values(google_project_iam_member.role)[*].role, [
      "roles/iam.roleAdmin", "roles/iam.workloadIdentityPoolAdmin",
    ])) == 0
    error_message = "custom roles and the pool must be a person's unless the switch says otherwise"
  }
}

run "with_the_switch_an_apply_changes_custom_roles_and_the_pool" {
  command = plan

  variables {
    may_change_trust = true
  }

  assert {
    condition = [
      for name in keys(google_project_iam_member.role) : name
      if contains(["roles/iam.roleAdmin", "roles/iam.workloadIdentityPoolAdmin"], split(" ", name)[1])
    ] == ["apply roles/iam.roleAdmin", "apply roles/iam.workloadIdentityPoolAdmin"]
    error_message = "the switch must open these two, to apply alone"
  }
}

run "keys_are_read_by_nobody" {
  command = plan

  assert {
    condition = length([
      for grant in google_project_iam_member.role : grant if startswith(grant.role, "roles/serviceusage.apiKeys")
    ]) == 0
    error_message = "the strings of keys must stay closed: Terraform makes none"
  }
}
