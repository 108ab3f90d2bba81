# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

override_resource {
  target = google_service_account.account["apply"]
  values = {
    name = "projects/living-twin-staging/serviceAccounts/twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["plan"]
  values = {
    name = "projects/living-twin-staging/serviceAccounts/twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.account["tests"]
  values = {
    name = "projects/living-twin-staging/serviceAccounts/github-actions@living-twin-staging.iam.gserviceaccount.com"
  }
}

variables {
  environment    = "staging"
  name           = "twinguard-staging"
  project_id     = "living-twin-staging"
  project_number = "123456789012"
  repository     = { id = "456", owner_id = "123" }
  tests          = "github-actions"
}

run "only_the_repositorys_own_number_gets_in" {
  command = plan

  assert {
    condition = google_iam_workload_identity_pool_provider.github.attribute_condition == join(" && ", [
      "assertion.repository_owner_id == '123'",
      "assertion.repository_id == '456'",
      "assertion.event_name != 'pull_request_target'",
    ])
    error_message = "owner and repository must be checked by number, and a stranger's pull request kept out"
  }
  assert {
    condition = [
      google_iam_workload_identity_pool_provider.github.oidc[0].issuer_uri,
      google_iam_workload_identity_pool_provider.github.workload_identity_pool_id,
      google_iam_workload_identity_pool.github.workload_identity_pool_id,
    ] == ["https://token.actions.githubusercontent.com", "twinguard-staging-github", "twinguard-staging-github"]
    error_message = "tokens must be GitHub's, and the provider the pool's"
  }
}

run "a_job_is_told_apart_by_branch_and_by_what_set_it_off" {
  command = plan

  variables {
    repository = { id = "456", owner_id = "123", branch = "release/2027" }
  }

  assert {
    condition = google_iam_workload_identity_pool_provider.github.attribute_mapping == tomap({
      "google.subject"          = "assertion.repository_id + ':' + assertion.run_id"
      "attribute.repository_id" = "assertion.repository_id"
      "attribute.delivery" = join("", [
        "assertion.repository_id + (assertion.ref == 'refs/heads/release/2027' && ",
        "assertion.event_name in ['push', 'workflow_dispatch'] ? ':apply' : ':plan')",
      ])
    })
    error_message = "only a push to the branch, or a person's dispatch on it, may apply"
  }
}

run "any_job_plans_and_tests_and_one_on_the_branch_applies" {
  command = apply

  assert {
    condition = { for name, job in google_service_account_iam_member.job : name => [job.service_account_id, job.role, job.member] } == {
      apply = [
        "projects/living-twin-staging/serviceAccounts/twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com",
        "roles/iam.workloadIdentityUser",
        "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/twinguard-staging-github/attribute.delivery/456:apply",
      ]
      plan = [
        "projects/living-twin-staging/serviceAccounts/twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com",
        "roles/iam.workloadIdentityUser",
        "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/twinguard-staging-github/attribute.repository_id/456",
      ]
      tests = [
        "projects/living-twin-staging/serviceAccounts/github-actions@living-twin-staging.iam.gserviceaccount.com",
        "roles/iam.workloadIdentityUser",
        "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/twinguard-staging-github/attribute.repository_id/456",
      ]
    }
    error_message = "each account must be open to its own jobs, and no wider"
  }
}

run "a_workflow_gets_full_names" {
  command = plan

  assert {
    condition     = output.provider == "projects/123456789012/locations/global/workloadIdentityPools/twinguard-staging-github/providers/github"
    error_message = "the provider must be named in full, by the project's number"
  }
  assert {
    condition = output.accounts == {
      apply = "twinguard-staging-apply@living-twin-staging.iam.gserviceaccount.com"
      plan  = "twinguard-staging-plan@living-twin-staging.iam.gserviceaccount.com"
      tests = "github-actions@living-twin-staging.iam.gserviceaccount.com"
    }
    error_message = "the accounts must be known by e-mail before they exist"
  }
}

run "an_existing_account_for_tests_is_adopted_and_the_others_are_ours" {
  command = plan

  assert {
    condition = jsonencode({
      for name, account in google_service_account.account :
      name => [account.account_id, account.create_ignore_already_exists]
      }) == jsonencode({
      apply = ["twinguard-staging-apply", null]
      plan  = ["twinguard-staging-plan", null]
      tests = ["github-actions", true]
    })
    error_message = "only the account with a name of your choice may exist already"
  }
}

run "without_tests_there_are_two_accounts" {
  command = plan

  variables {
    tests = null
  }

  assert {
    condition = alltrue([
      keys(google_service_account.account) == ["apply", "plan"],
      keys(google_service_account_iam_member.job) == ["apply", "plan"],
      keys(output.accounts) == ["apply", "plan"],
    ])
    error_message = "no account may be made that nobody named"
  }
}

run "the_placeholder_admits_nobody" {
  command = plan

  variables {
    repository = { id = "0", owner_id = "0" }
  }

  assert {
    condition     = strcontains(google_iam_workload_identity_pool_provider.github.attribute_condition, "assertion.repository_id == '0'")
    error_message = "no repository has the number 0"
  }
}
