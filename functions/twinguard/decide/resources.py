# SPDX-License-Identifier: Apache-2.0
"""Find what costs or risks more than the policy wants, in an inventory. Pure.

Services are judged in `run_resources.py`, everything else in `kept_resources.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from twinguard.decide import kept_resources, run_resources
from twinguard.decide.inventory import Finding, Inventory, RunService, Secret, Subscription, short
from twinguard.decide.run_resources import Size
from twinguard.policy import Environment, Level, Policy, is_control_plane

__all__ = ["Size", "findings", "limit_of", "ours", "total"]

Named = TypeVar("Named", Subscription, Secret)

LIMITS = {
    Environment.PRODUCTION: Size(Decimal(4), Decimal(8)),
    Environment.STAGING: Size(Decimal(2), Decimal(2)),
}
"""The largest instance that nobody asks about; elsewhere `SMALL`."""

SMALL = Size(Decimal(1), Decimal(1))


def limit_of(policy: Policy, cpu: Decimal | None = None, memory: Decimal | None = None) -> Size:
    """The largest instance of an environment, each half of it overruled where it is given."""
    usual = LIMITS.get(policy.environment, SMALL)
    return Size(usual.cpu if cpu is None else cpu, usual.memory if memory is None else memory)


def findings(policy: Policy, inventory: Inventory, limit: Size) -> tuple[Finding, ...]:
    """What is wrong, the worst first, then what saves most."""
    mine = ours(policy, inventory)
    found = (
        *run_resources.findings(policy, mine, limit),
        *_labels(policy, mine),
        *kept_resources.subscriptions(policy, mine),
        *kept_resources.secrets(policy, mine),
        *kept_resources.addresses(mine),
    )
    return tuple(sorted(found, key=_order))


def total(found: tuple[Finding, ...]) -> Decimal:
    """What mending all of them saves in a month, as far as it is known."""
    return sum((finding.saving or Decimal(0) for finding in found), Decimal(0))


def ours(policy: Policy, inventory: Inventory) -> Inventory:
    """The inventory without what belongs to another environment of a shared project."""
    if not policy.project.shared:
        return inventory
    return replace(
        inventory,
        services=tuple(s for s in inventory.services if _is_ours(policy, s.name, s.labels)),
        subscriptions=_each(policy, inventory.subscriptions),
        secrets=_each(policy, inventory.secrets),
    )


def _each(policy: Policy, found: tuple[Named, ...] | None) -> tuple[Named, ...] | None:
    return found and tuple(one for one in found if _is_ours(policy, one.name, one.labels))


def _is_ours(policy: Policy, name: str, labels: Mapping[str, str]) -> bool:
    if short(name) in {*policy.services, *policy.subscriptions}:
        return True
    others = set(Environment) - {policy.environment}
    if said := labels.get("environment"):
        return said not in others
    return not short(name).startswith(tuple(f"{other}-" for other in others))


def _order(finding: Finding) -> tuple[int, Decimal, str, str]:
    return (-finding.level.rank, -(finding.saving or Decimal(0)), finding.subject, finding.rule)


def _labels(policy: Policy, inventory: Inventory) -> Iterator[Finding]:
    """Cost without the label lands in nobody's budget: it is attributed by label."""
    wanted = dict(policy.labels) | {"environment": policy.environment.value}
    labelled: tuple[RunService | Subscription, ...] = (
        *inventory.services,
        *(inventory.subscriptions or ()),
    )
    for each in labelled:
        if is_control_plane(each.name):
            continue
        wrong = {key: text for key, text in wanted.items() if each.labels.get(key) != text}
        if not wrong:
            continue
        missing = [key for key in wrong if key not in each.labels]
        others = [f"{key} is {each.labels[key]}" for key in wrong if key in each.labels]
        said = [f"{', '.join(missing)} missing"] if missing else []
        yield Finding(
            level=Level.MEDIUM if "environment" in wrong else Level.LOW,
            rule="label",
            resource=each.name,
            why=f"labels: {'; '.join((*said, *others))}: its cost is attributed to nobody here",
            remedy="label it " + ", ".join(f"{key}={text}" for key, text in wrong.items()),
        )
