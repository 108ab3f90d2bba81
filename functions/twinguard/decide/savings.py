# SPDX-License-Identifier: Apache-2.0
"""Choose what an environment can save safely (strategy.md 6.1), as holds that can be undone. Pure.

Only what the policy calls not critical: minimum instances go to zero, and subscriptions that push
in vain are paused for a while. `cli/savings.py` shows and applies it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.inventory import Inventory, RunService, floor
from twinguard.decide.kept_resources import is_stuck
from twinguard.decide.model import Hold, Kind, Resource, Scaling, Strength, TakeHold, Why
from twinguard.decide.run_resources import kept_month
from twinguard.policy import Policy


class Saving(Struct, frozen=True):
    """One hold to take, and what it saves in a month at most; None where nobody can say."""

    action: TakeHold
    month: Decimal | None


def savings(
    policy: Policy, inventory: Inventory, allowed: tuple[Resource, ...], why: Why
) -> tuple[Saving, ...]:
    """What to hold among the resources that may be held, those held already included.

    A service loses nothing while it is idle, so its hold has no end; a subscription's ends at
    `why.until`, or when the hold it already has for this reason does."""
    services = {service.name: service for service in inventory.services}
    stuck = {one.name for one in inventory.subscriptions or () if is_stuck(one)}
    found = []
    for resource in allowed:
        hold = inventory.holds.get(resource.name)
        if resource.kind is Kind.SERVICE:
            service = services.get(resource.name)
            count = floor(_saved_from(hold, service)) if service is not None else 0
            if service is not None and count:
                month = kept_month(policy, service, count, inventory.at)
                found.append(Saving(TakeHold(resource, _renewed(why, hold, None)), month))
        elif resource.name in stuck or (hold is not None and why.key in hold.keys):
            found.append(Saving(TakeHold(resource, _renewed(why, hold, why.until)), None))
    return tuple(found)


def _saved_from(hold: Hold | None, service: RunService) -> Scaling:
    """How a service stands without any hold of ours, unless somebody else changed it."""
    if hold is None or service.scaling not in hold.expected:
        return service.scaling
    return hold.before if isinstance(hold.before, Scaling) else service.scaling


def _renewed(why: Why, hold: Hold | None, until: dt.datetime | None) -> Why:
    """The reason, or the one that is there already: asking twice prolongs nothing."""
    there = [known for known in hold.reasons if known.key == why.key] if hold else []
    end = there[0].until if there else until
    return replace(why, strength=Strength.IDLE, until=end)
