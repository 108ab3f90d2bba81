# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_project_iam_custom_role" {
    defaults = { name = "projects/living-twin-staging/roles/twinguard_staging_firebase_auth" }
  }
}

mock_provider "google-beta" {}

variables {
  application_account = "living-twin-staging@living-twin-staging.iam.gserviceaccount.com"
  environment         = "staging"
  firebase            = { auth = "limited" }
  project_id          = "living-twin-staging"
}

run "firebase_is_added_to_the_project_before_sign_in_is_set_up" {
  command = plan

  assert {
    condition = [
      google_firebase_project.firebase.project, google_identity_platform_config.auth.project,
    ] == ["living-twin-staging", "living-twin-staging"]
    error_message = "both belong to the environment's project"
  }
}

run "the_projects_own_domain_signs_in_and_localhost_does_not" {
  command = plan

  assert {
    condition = google_identity_platform_config.auth.authorized_domains == tolist([
      "living-twin-staging.firebaseapp.com",
    ])
    error_message = "Google's own list, with localhost on it, must be replaced"
  }
}

run "the_order_of_domains_in_the_policy_means_nothing" {
  command = plan

  variables {
    firebase = {
      auth = "limited"
      authorized_domains = [
        "staging.example.com", "living-twin-staging.firebaseapp.com", "app.example.com", "localhost",
      ]
    }
  }

  assert {
    condition = google_identity_platform_config.auth.authorized_domains == tolist([
      "app.example.com", "living-twin-staging.firebaseapp.com", "localhost", "staging.example.com",
    ])
    error_message = "every domain must be there once, sorted; staging may have localhost"
  }
}

run "limited_creates_and_looks_up_users_and_cannot_take_over_or_delete_one" {
  command = apply

  assert {
    condition = google_project_iam_custom_role.role["limited"].permissions == toset([
      "firebaseauth.users.create", "firebaseauth.users.createSession", "firebaseauth.users.get",
    ])
    error_message = "no update, no sendEmail, no delete, no password hashes, no configuration"
  }
  assert {
    condition = (
      google_project_iam_custom_role.role["limited"].role_id == "twinguard_staging_firebase_auth"
    )
    error_message = "the role's id must name its environment, without hyphens"
  }
  assert {
    condition = [
      google_project_iam_member.application.role, google_project_iam_member.application.member,
      ] == [
      "projects/living-twin-staging/roles/twinguard_staging_firebase_auth",
      "serviceAccount:living-twin-staging@living-twin-staging.iam.gserviceaccount.com",
    ]
    error_message = "the application, and nobody else, must have the role"
  }
}

run "full_administers_users_with_googles_role" {
  command = plan

  variables {
    environment = "production"
    firebase    = { auth = "full" }
  }

  assert {
    condition     = google_project_iam_member.application.role == "roles/firebaseauth.admin"
    error_message = "full must be Google's own role"
  }
  assert {
    condition     = length(google_project_iam_custom_role.role) == 0
    error_message = "a role that nobody has must not be made"
  }
}

run "outputs_are_what_the_application_is_set_to" {
  command = apply

  assert {
    condition = [output.auth_domain, output.project] == [
      "living-twin-staging.firebaseapp.com", "living-twin-staging",
    ]
    error_message = "FIREBASE_AUTH_DOMAIN and FIREBASE_PROJECT_ID must follow the project"
  }
}
