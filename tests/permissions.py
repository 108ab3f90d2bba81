# SPDX-License-Identifier: Apache-2.0
"""What Google asks for each call of an adapter, and what each port of the flows needs.

`tests/terraform/test_permissions.py` compares the calls with the code, `test_accounts.py` what
each function's account is granted with what its entry point can reach."""

from __future__ import annotations

NEEDS = {
    ("billing", "get_project_billing_info"): {"resourcemanager.projects.get"},
    ("billing", "update_project_billing_info"): {
        "resourcemanager.projects.deleteBillingAssignment"
    },
    ("cloud_run", "get_service"): {"run.services.get"},
    # The change is waited for: its operation is asked for until it is done.
    ("cloud_run", "update_service"): {"run.services.update", "run.operations.get"},
    ("pubsub", "get_subscription"): {"pubsub.subscriptions.get"},
    ("pubsub", "modify_push_config"): {"pubsub.subscriptions.update"},
    ("pubsub", "publish"): {"pubsub.topics.publish"},
    ("backlog", "GET timeSeries"): {"monitoring.timeSeries.list"},
}
"""What Google asks for each call."""

BY_PREDEFINED_ROLE = {"pubsub.topics.publish"}
"""roles/pubsub.publisher holds nothing else."""

SECRETS = "secretmanager"
OF_KEYS = {
    ("secret_manager", "GET"): {
        *(f"{SECRETS}.secrets.get", f"{SECRETS}.versions.get", f"{SECRETS}.versions.list"),
        f"{SECRETS}.versions.access",
    },
    ("secret_manager", "PATCH"): {f"{SECRETS}.secrets.update"},
    ("secret_manager", "POST"): {
        f"{SECRETS}.versions.{verb}" for verb in ("add", "destroy", "disable")
    },
    ("api_keys", "GET"): {"apikeys.keys.get", "apikeys.keys.getKeyString", "apikeys.keys.list"},
    ("api_keys", "POST"): {"apikeys.keys.create"},
    ("api_keys", "DELETE"): {"apikeys.keys.delete"},
}
"""What Google asks for the calls that rotate keys; the contract tests say which those are."""

OF_VALUES = {f"{SECRETS}.versions.access", f"{SECRETS}.versions.add"}
"""Not needed where a person makes the credential."""

RECORDS, COSTS = "roles/datastore.user", "roles/bigquery.jobUser"
PUBLISHER, ACCESSOR = "roles/pubsub.publisher", "roles/secretmanager.secretAccessor"
OF_PORTS = {
    "records": {RECORDS},
    "publisher": {PUBLISHER},
    "scalers": {
        permission
        for call, need in NEEDS.items()
        if call[0] in {"cloud_run", "backlog"}
        or call[1] in {"get_subscription", "modify_push_config"}
        for permission in need
    },
    "billing": {
        permission for call, need in NEEDS.items() if call[0] == "billing" for permission in need
    },
    "costs": {COSTS},
}
"""What each of the flows' ports needs; `keys` depends on whose keys the policy names."""

SWITCHED = {"billing": "TWINGUARD_MAY_UNLINK", "costs": "TWINGUARD_COSTS"}
"""Ports that do nothing in a function without this variable."""


def of_keys(adapter: str) -> set[str]:
    """What an adapter that rotates keys needs."""
    return set().union(*(need for call, need in OF_KEYS.items() if call[0] == adapter))
