# SPDX-License-Identifier: Apache-2.0
"""Where a deployed environment keeps its things: the names that terraform/modules give them.

A test compares them with the plans."""

from __future__ import annotations

from collections.abc import Mapping

from twinguard.policy import Policy


def settings(policy: Policy, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of a command: those that are set, else where the environment is deployed.

    Records somewhere else belong to another stage; then nothing is published unasked."""
    own = {name: value for name, value in environ.items() if value}
    if "TWINGUARD_RECORDS" in own:
        return own
    project, name = policy.project.id, f"twinguard-{policy.environment}"
    deployed = {
        "TWINGUARD_RECORDS": f"firestore://{project}/{name}",
        "TWINGUARD_ALERTS_TOPIC": f"projects/{project}/topics/{name}-alerts",
    }
    return deployed | own


def usage_topic(policy: Policy) -> str:
    """Where `on_usage` of a deployed environment listens."""
    return f"projects/{policy.project.id}/topics/twinguard-{policy.environment}-usage-events"
