# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {
  mock_resource "google_cloud_quotas_quota_preference" {
    defaults = { reconciling = true }
  }
}

variables {
  contact     = null
  environment = "staging"
  project_id  = "living-twin-staging"
  quotas = {
    gemini-flash = {
      service    = "aiplatform.googleapis.com"
      quota      = "GenerateContentRequestsPerMinutePerProjectPerRegionPerBaseModel"
      value      = 60
      dimensions = { base_model = "gemini-2.5-flash", region = "europe-west1" }
    }
    query-usage = {
      service = "bigquery.googleapis.com"
      quota   = "QueryUsagePerDay"
      value   = 1048576
    }
  }
}

run "every_limit_is_a_preference_of_the_project" {
  command = plan

  assert {
    condition = jsonencode({
      for name, limit in google_cloud_quotas_quota_preference.limit : name => [
        limit.parent, limit.name, limit.service, limit.quota_id,
        limit.quota_config[0].preferred_value,
      ]
      }) == jsonencode({
      gemini-flash = [
        "projects/living-twin-staging", "gemini-flash", "aiplatform.googleapis.com",
        "GenerateContentRequestsPerMinutePerProjectPerRegionPerBaseModel", "60",
      ]
      query-usage = [
        "projects/living-twin-staging", "query-usage", "bigquery.googleapis.com",
        "QueryUsagePerDay", "1048576",
      ]
    })
    error_message = "parent, name, service, quota and value must be those of the entry, the value in full digits"
  }
}

run "a_limit_applies_to_the_dimensions_it_names" {
  command = plan

  assert {
    condition = google_cloud_quotas_quota_preference.limit["gemini-flash"].dimensions == tomap({
      base_model = "gemini-2.5-flash", region = "europe-west1"
    })
    error_message = "the limit must be narrowed to the model and the region"
  }
}

run "a_limit_far_below_the_default_is_taken_but_never_one_below_the_usage" {
  command = plan

  assert {
    condition = alltrue([
      for limit in google_cloud_quotas_quota_preference.limit :
      limit.ignore_safety_checks == "QUOTA_DECREASE_PERCENTAGE_TOO_HIGH"
    ])
    error_message = "only the check on the size of a cut may be ignored"
  }
}

run "google_is_told_whose_limit_it_is_and_whom_to_ask" {
  command = plan

  variables {
    contact = "costs@example.com"
  }

  assert {
    condition = [
      google_cloud_quotas_quota_preference.limit["query-usage"].contact_email,
      google_cloud_quotas_quota_preference.limit["query-usage"].justification,
    ] == ["costs@example.com", "Hard limit of staging, kept in its policy."]
    error_message = "contact and environment must reach Google"
  }
}

run "nobody_is_named_unless_asked_for" {
  command = plan

  assert {
    condition     = google_cloud_quotas_quota_preference.limit["query-usage"].contact_email == null
    error_message = "an address without the right to change quotas would make Google refuse the preference"
  }
}

run "what_google_still_works_on_is_shown" {
  command = apply

  assert {
    condition = [
      output.limits["gemini-flash"].asked, output.limits["gemini-flash"].reconciling,
      ] == [
      "60", true,
    ]
    error_message = "the output must say what was asked for and that it is not done"
  }
}

run "without_quotas_nothing_is_limited" {
  command = plan

  variables {
    quotas = {}
  }

  assert {
    condition     = length(google_cloud_quotas_quota_preference.limit) == 0 && length(output.limits) == 0
    error_message = "no entry, no preference"
  }
}
