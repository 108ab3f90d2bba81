# SPDX-License-Identifier: Apache-2.0
# What every test begins with: Terraform reads this file for all of them.

bundle      = "../../../.cache/bundle"
environment = "staging"
raw_policy  = {}
policy = {
  environment     = "staging"
  project         = { id = "living-twin-staging", shared = false }
  billing_account = "012345-567890-ABCDEF"
  region          = "europe-west1"
  labels          = { application = "living-twin" }
  budget = {
    name       = "living-twin-staging-budget"
    amount     = 500
    currency   = "USD"
    thresholds = [{ percent = 75, level = "medium" }, { percent = 100, level = "critical" }]
    forecast   = [{ percent = 100, level = "medium" }]
    cap = {
      enabled        = true
      percent        = 100
      stop_serving   = true
      unlink_billing = false
      release        = { reads = 2, apart_minutes = 10 }
      rearm_percent  = 10
    }
  }
  services      = { living-twin-api = { critical = true }, living-twin-worker = { critical = false } }
  subscriptions = { living-twin-push = { critical = false } }
  schedule = {
    time_zone     = "Europe/Brussels"
    night         = { at = "02:00", days = ["mon", "tue"] }
    morning       = { at = "06:30", days = ["mon", "tue"] }
    services      = ["living-twin-worker"]
    subscriptions = ["living-twin-push"]
    skip          = []
  }
  alerts = {
    routes   = { low = ["email"], critical = ["email", "slack"] }
    storm    = { messages = 10, minutes = 10 }
    contacts = ["security@example.com"]
    versions = {}
  }
  application = { account = "living-twin-staging", roles = [] }
  secrets = {
    openai-api-key    = { readers = ["application"] }
    neo4j-credentials = { readers = ["application"] }
  }
  openai = {
    model               = "gpt-4"
    max_tokens          = 2000
    temperature         = 0.7
    requests_per_minute = 1000
    monthly_budget      = 200
    project             = null
  }
  gateway        = { models = { "gpt-4" = { quality = 90, fallbacks = ["mini"] }, mini = { quality = 60 } }, tasks = { classify = 50 } }
  neo4j          = { uri = "neo4j://staging.neo4j.io", user = null, password = null }
  local_llm      = null
  emulators      = null
  mocks          = null
  env_file       = null
  api_keys       = {}
  billing_export = { project = "living-twin-prod" }
  quotas         = {}
  counters       = { node = "SHARED_CORE_NANO" }
  firebase       = { auth = "limited" }
  delivery       = { repository_id = "0", owner_id = "0", tests = "github-actions" }
  events         = { max_age_hours = 24 }
  retention      = { audit_days = 400, history_days = 400 }
}
