# SPDX-License-Identifier: Apache-2.0

mock_provider "google" {}

variables {
  environment = "staging"
  project_id  = "living-twin-staging"
}

run "refuses_a_contact_that_is_no_address" {
  command = plan
  variables {
    contact = "platform team"
  }
  expect_failures = [var.contact]
}

run "refuses_an_environment_nobody_knows" {
  command = plan
  variables {
    environment = "test"
  }
  expect_failures = [var.environment]
}

run "refuses_a_project_id_that_google_would_refuse" {
  command = plan
  variables {
    project_id = "projects/living-twin-staging"
  }
  expect_failures = [var.project_id]
}

run "refuses_a_name_that_google_would_refuse" {
  command = plan
  variables {
    quotas = {
      Run_CPU = {
        service = "run.googleapis.com"
        quota   = "CpuAllocPerProjectRegion"
        value   = 4000
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_the_short_name_of_a_service" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service = "run"
        quota   = "CpuAllocPerProjectRegion"
        value   = 4000
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_a_metric_where_a_quota_id_belongs" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service = "run.googleapis.com"
        quota   = "run.googleapis.com/cpu_allocation"
        value   = 4000
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_a_limit_that_is_none" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service = "run.googleapis.com"
        quota   = "CpuAllocPerProjectRegion"
        value   = -1
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_a_fraction" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service = "run.googleapis.com"
        quota   = "CpuAllocPerProjectRegion"
        value   = 0.5
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_an_empty_dimension" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service    = "run.googleapis.com"
        quota      = "CpuAllocPerProjectRegion"
        value      = 4000
        dimensions = { region = "" }
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_a_limit_for_one_user" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service    = "run.googleapis.com"
        quota      = "CpuAllocPerProjectRegion"
        value      = 4000
        dimensions = { user = "ada" }
      }
    }
  }
  expect_failures = [var.quotas]
}

run "refuses_the_same_limit_twice" {
  command = plan
  variables {
    quotas = {
      run-cpu = {
        service = "run.googleapis.com"
        quota   = "CpuAllocPerProjectRegion"
        value   = 4000
      }
      run-less = {
        service = "run.googleapis.com"
        quota   = "CpuAllocPerProjectRegion"
        value   = 2000
      }
    }
  }
  expect_failures = [var.quotas]
}
