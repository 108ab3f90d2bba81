# SPDX-License-Identifier: Apache-2.0

output "limits" {
  description = "Each limit by its name: what is asked for, what Google granted so far, and whether it still works on it."
  value = {
    for name, limit in google_cloud_quotas_quota_preference.limit : name => {
      asked       = limit.quota_config[0].preferred_value
      granted     = limit.quota_config[0].granted_value
      reconciling = limit.reconciling
    }
  }
}
