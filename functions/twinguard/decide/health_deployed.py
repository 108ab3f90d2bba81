# SPDX-License-Identifier: Apache-2.0
"""All that the doctor says of a deployed environment, from what was read of it. Pure."""

from __future__ import annotations

from twinguard.decide.deployment import Deployment
from twinguard.decide.grants import admin_secrets, gateway_secrets
from twinguard.decide.health import Check
from twinguard.decide.health_access import access
from twinguard.decide.health_delivery import REQUIRED, alerts, delivery, schedules
from twinguard.decide.health_keys import exposed, guard, secrets
from twinguard.decide.health_money import budget, costs, dead_letters, limits, nights
from twinguard.policy import Policy

_OF_THE_POLICY = "SECURITY_EMAIL"
"""Comes from alerts.contacts, not from a secret."""


def checks(policy: Policy, seen: Deployment) -> tuple[Check, ...]:
    """Every check, in the order of the flow."""
    kept = channel_secrets(policy)
    return (
        *budget(policy, seen),
        *dead_letters(policy, seen),
        *delivery(policy, seen),
        *schedules(policy, seen),
        *alerts(policy, seen),
        *nights(policy, seen),
        *guard(policy, seen),
        *limits(policy, seen),
        *secrets(policy, seen, kept | admin_secrets(policy) | gateway_secrets(policy)),
        *exposed(policy, seen),
        *access(policy, seen, kept),
        *costs(policy, seen),
    )


def channel_secrets(policy: Policy) -> frozenset[str]:
    """The secrets of the channels' settings, by their names without the environment."""
    channels = {one for routes in policy.alerts.routes.values() for one in routes}
    wanted = {name for channel in channels for name in REQUIRED[channel] - {_OF_THE_POLICY}}
    wanted |= {str(setting) for setting in policy.alerts.versions}
    return frozenset(name.lower().replace("_", "-") for name in wanted)
