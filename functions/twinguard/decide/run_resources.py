# SPDX-License-Identifier: Apache-2.0
"""Find what is wrong with an environment's Cloud Run services. Pure.

Of Twinguard's own functions only sizes are judged: they must be there at night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from twinguard.decide import hours
from twinguard.decide.inventory import Finding, Inventory, RunService, floor, short
from twinguard.decide.model import Mode, Scaling
from twinguard.decide.money import money
from twinguard.decide.run_prices import CURRENCY, busy_hour, idle_month
from twinguard.decide.scaling import REVISION_DEFAULT
from twinguard.policy import Environment, Level, Policy, Schedule, is_control_plane

MOST_INSTANCES = 100
"""From here on a maximum is none: Cloud Run's default, which nobody chose."""

ASLEEP_WHEN_UNUSED = frozenset({Environment.DEVELOPMENT, Environment.CI, Environment.LOCAL})
"""Environments in which everything scales to zero (strategy.md 6.1 and 6.2)."""

_STEP = dt.timedelta(minutes=30)
_WEEK = 14 * 24
"""Half hours of a week: slots of a schedule are rarely finer."""


class Size(Struct, frozen=True):
    """An instance's vCPU and GiB."""

    cpu: Decimal
    memory: Decimal


def findings(policy: Policy, inventory: Inventory, limit: Size) -> Iterator[Finding]:
    """Everything about services, one after the other."""
    for service in inventory.services:
        scaling = standing(inventory, service)
        minimum = tuple(_minimum(policy, service, scaling, inventory.at))
        yield from minimum
        yield from _always(service, scaling, counted=bool(minimum))
        yield from _oversized(service, limit)
        yield from _maximum(policy, service, scaling)
        yield from _unknown(policy, service)
    yield from _missing(policy, inventory)


def standing(inventory: Inventory, service: RunService) -> Scaling:
    """How a service stands by itself: what is held for a while is judged by what is put back.

    A hold without an end, as savings have, is how it stands."""
    hold = inventory.holds.get(service.name)
    if hold is None or not isinstance(hold.before, Scaling):
        return service.scaling
    lasting = any(why.until is None and not why.overruled for why in hold.reasons)
    is_ours = service.scaling in hold.expected
    return hold.before if is_ours and not lasting else service.scaling


def kept_month(policy: Policy, service: RunService, count: int, now: dt.datetime) -> Decimal | None:
    """What this many instances cost in a month at most, while the environment is awake."""
    one = idle_month(service.cpu, service.memory, service.region, always=service.always)
    if one is None:
        return None
    schedule = policy.schedule
    if schedule is None or short(service.name) not in schedule.services:
        return one * count
    return one * count * (1 - asleep_share(schedule, now))


def asleep_share(schedule: Schedule, now: dt.datetime) -> Decimal:
    """The part of the coming week that a schedule sleeps."""
    moments = (now + _STEP * number for number in range(_WEEK))
    return Decimal(sum(hours.is_asleep(schedule, moment) for moment in moments)) / _WEEK


def _minimum(
    policy: Policy, service: RunService, scaling: Scaling, now: dt.datetime
) -> Iterator[Finding]:
    count, name = floor(scaling), short(service.name)
    if not count or is_control_plane(name):
        return
    target, schedule = policy.services.get(name), policy.schedule
    critical = target is not None and target.critical
    month = kept_month(policy, service, count, now)
    file = f"environments/{policy.environment}/policy.yaml"
    if policy.environment in ASLEEP_WHEN_UNUSED:
        able = target is not None and not critical and policy.environment == Environment.DEVELOPMENT
        remedy = "make cost-optimize-dev" if able else "set its minimum instances to 0"
        if critical:
            remedy += f", or leave it: it is critical in {file}"
        why = f"keeps {_kept(scaling)} where everything scales to zero; {_size(service)}"
        level = Level.LOW if critical else Level.MEDIUM
    elif target is None or critical or (schedule and name in schedule.services):
        return
    else:
        month = month and (month * asleep_share(schedule, now) if schedule else None)
        why = f"keeps {_kept(scaling)} through the night and is not critical; {_size(service)}"
        remedy = f"add {name} to schedule.services in {file}"
        level = Level.LOW
    yield Finding(
        level=level,
        rule="minimum-instances",
        resource=service.name,
        why=why,
        remedy=remedy,
        saving=month,
    )


def _kept(scaling: Scaling) -> str:
    """The instances that are kept, and which of the two levels keeps them."""
    count = floor(scaling)
    noun = "1 instance" if count == 1 else f"{count} instances"
    if scaling.mode is Mode.MANUAL:
        return f"{noun} (manual scaling)"
    levels = {"service": scaling.minimum, "revision": scaling.revision_minimum}
    said = [f"{level} {least}" for level, least in levels.items() if least]
    return f"{noun} (minimum: {', '.join(said)})"


def _size(service: RunService) -> str:
    gpus = f" and {service.gpus} GPU, whose price is not counted" if service.gpus else ""
    return f"{_plain(service.cpu)} vCPU, {_plain(service.memory)} GiB each{gpus}"


def _always(service: RunService, scaling: Scaling, *, counted: bool) -> Iterator[Finding]:
    """CPU that is paid for without a request. `counted`: its instances are a finding already."""
    if not service.always or service.gpus:  # a GPU cannot do without
        return
    count, saving = floor(scaling), None
    dear = idle_month(service.cpu, service.memory, service.region, always=True)
    cheap = idle_month(service.cpu, service.memory, service.region, always=False)
    if count and not counted and dear is not None and cheap is not None:
        saving = (dear - cheap) * count
    each = (
        ""
        if dear is None or cheap is None
        else (
            f": an idle instance costs {money(dear, CURRENCY)} a month instead of "
            f"{money(cheap, CURRENCY)}"
        )
    )
    yield Finding(
        level=Level.MEDIUM if count else Level.LOW,
        rule="cpu-always-allocated",
        resource=service.name,
        why=f"its CPU is allocated without a request{each}",
        remedy="bill it by request (cpu_idle = true), unless it works between requests",
        saving=saving,
    )


def _oversized(service: RunService, limit: Size) -> Iterator[Finding]:
    over = [
        f"{_plain(has)} {unit} is above {_plain(most)}"
        for has, most, unit in (
            (service.cpu, limit.cpu, "vCPU"),
            (service.memory, limit.memory, "GiB"),
        )
        if has > most
    ]
    if over:
        yield Finding(
            level=Level.LOW,
            rule="oversized",
            resource=service.name,
            why=f"{' and '.join(over)}, this environment's limit",
            remedy="lower its limits to what it uses, or check with --max-cpu and --max-memory",
        )


def _maximum(policy: Policy, service: RunService, scaling: Scaling) -> Iterator[Finding]:
    if scaling.mode is Mode.MANUAL:
        return
    limits = [most for most in (scaling.maximum, scaling.revision_maximum) if most]
    most = min(limits, default=REVISION_DEFAULT)
    if most < MOST_INSTANCES:
        return
    hour = busy_hour(service.cpu, service.memory, service.region, always=service.always)
    cost = "" if hour is None else f", {money(hour * most, CURRENCY)} an hour when all are busy"
    how = (
        f"may grow to {most} instances" if limits else f"has no maximum, so it is {most} instances"
    )
    chosen = bool(limits) and policy.environment is Environment.PRODUCTION
    yield Finding(
        level=Level.LOW if chosen else Level.MEDIUM,
        rule="maximum-instances",
        resource=service.name,
        why=f"{how}{cost}",
        remedy=f"set its maximum instances to what it needs, below {MOST_INSTANCES}",
    )


def _unknown(policy: Policy, service: RunService) -> Iterator[Finding]:
    name = short(service.name)
    if is_control_plane(name):
        return
    if name in policy.services and (policy.services[name].region or policy.region) == (
        service.region
    ):
        return
    yield Finding(
        level=Level.MEDIUM,
        rule="not-in-policy",
        resource=service.name,
        why=f"runs in {service.region}, but no policy knows it: no cap and no schedule holds it",
        remedy=f"add it to services in environments/{policy.environment}/policy.yaml, or delete it",
    )


def _missing(policy: Policy, inventory: Inventory) -> Iterator[Finding]:
    known = {service.name for service in inventory.services}
    for name, target in policy.services.items():
        region = target.region or policy.region
        full = f"projects/{policy.project.id}/locations/{region}/services/{name}"
        if region in inventory.regions and full not in known:
            yield Finding(
                level=Level.MEDIUM,
                rule="does-not-exist",
                resource=full,
                why=f"the policy names it, but {region} has no such service: a cap cannot hold it",
                remedy="correct its name or region in "
                f"environments/{policy.environment}/policy.yaml, or deploy it",
            )


def _plain(number: Decimal) -> str:
    """Without trailing zeros or exponent."""
    return f"{number.normalize():f}"
