# SPDX-License-Identifier: Apache-2.0
# Keys of Google's own APIs. The provider reads each key's value back, so it is in the state: the
# one value that Terraform cannot be kept from. That is why no key is made that is good for
# anything, or from anywhere.

resource "google_apikeys_key" "key" {
  for_each = var.api_keys

  project      = var.project_id
  name         = "${var.prefix}-${var.environment}-${each.key}"
  display_name = "${each.key}, ${var.environment}"

  restrictions {
    # The API keeps lists: the same order each time, or every plan shows a change.
    dynamic "api_targets" {
      for_each = sort(each.value.apis)

      content {
        service = api_targets.value
      }
    }

    dynamic "server_key_restrictions" {
      for_each = length(each.value.addresses) > 0 ? [sort(each.value.addresses)] : []

      content {
        allowed_ips = server_key_restrictions.value
      }
    }

    dynamic "browser_key_restrictions" {
      for_each = length(each.value.referrers) > 0 ? [sort(each.value.referrers)] : []

      content {
        allowed_referrers = browser_key_restrictions.value
      }
    }
  }
}
