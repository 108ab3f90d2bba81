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

run "an_apply_acts_as_the_named_accounts_only" {
  command = apply

  assert {
    condition = {
      for name, grant in google_service_account_iam_member.acts_as :
      name => [grant.service_account_id, grant.role, grant.member]
      } == {
      on-schedule = [
        "projects/living-twin-staging/serviceAccounts/twinguard-staging-schedule@living-twin-staging.iam.gserviceaccount.com",
        "roles/iam.serviceAccountUser",
        "serviceAccount:twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com",
      ]
    }
    error_message = "acting as an account must be granted on that account"
  }
}

run "buckets_are_open_one_by_one" {
  command = apply

  assert {
    condition = {
      for name, grant in google_storage_bucket_iam_member.bucket : name => [grant.bucket, grant.role, grant.member]
      } == {
      "apply source" = [
        "living-twin-staging-source", "roles/storage.admin",
        "serviceAccount:twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com",
      ]
      "plan source" = [
        "living-twin-staging-source", "roles/storage.objectViewer",
        "serviceAccount:twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com",
      ]
    }
    error_message = "objects must be read and changed in the named buckets only"
  }
}

run "the_state_of_another_environment_stays_closed" {
  command = apply

  assert {
    condition = {
      for name, grant in google_storage_bucket_iam_member.state :
      name => [grant.bucket, grant.role, grant.member, grant.condition[0].expression]
      } == {
      apply = [
        "seed-terraform-state", "roles/storage.objectUser",
        "serviceAccount:twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com",
        "resource.name.startsWith('projects/_/buckets/seed-terraform-state/objects/staging/') || api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('staging/')",
      ]
      plan = [
        "seed-terraform-state", "roles/storage.objectViewer",
        "serviceAccount:twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com",
        "resource.name.startsWith('projects/_/buckets/seed-terraform-state/objects/staging/') || api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('staging/')",
      ]
    }
    error_message = "only objects under the environment's prefix may be read, and written by apply"
  }
  assert {
    condition = {
      for name, grant in google_project_iam_member.state_policy : name => [grant.project, grant.role, grant.member]
      } == {
      apply = ["seed-project", "roles/iam.securityReviewer", "serviceAccount:twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com"]
      plan  = ["seed-project", "roles/iam.securityReviewer", "serviceAccount:twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com"]
    }
    error_message = "both must be able to read the bucket's grants back"
  }
}

run "an_apply_changes_budgets_and_a_plan_sees_them" {
  command = apply

  assert {
    condition = {
      for name, grant in google_billing_account_iam_member.billing :
      name => [grant.billing_account_id, grant.role, grant.member]
      } == {
      apply = [
        "012345-6789AB-CDEF01", "roles/billing.costsManager",
        "serviceAccount:twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com",
      ]
      plan = [
        "012345-6789AB-CDEF01", "roles/billing.viewer",
        "serviceAccount:twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com",
      ]
    }
    error_message = "the billing account must be open as far as budgets need it"
  }
}

run "outside_the_project_nothing_is_granted_unless_it_is_named" {
  command = plan

  variables {
    acts_as         = {}
    billing_account = null
    buckets         = {}
    state_bucket    = null
    state_project   = null
  }

  assert {
    condition = alltrue([
      length(google_billing_account_iam_member.billing) == 0,
      length(google_project_iam_member.state_policy) == 0,
      length(google_service_account_iam_member.acts_as) == 0,
      length(google_storage_bucket_iam_member.bucket) == 0,
      length(google_storage_bucket_iam_member.state) == 0,
    ])
    error_message = "what is not named must stay closed"
  }
}
