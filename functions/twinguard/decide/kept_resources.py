# SPDX-License-Identifier: Apache-2.0
"""Find what is wrong with subscriptions, secrets and addresses: what is kept and forgotten. Pure.

Twinguard's own and Eventarc's subscriptions are left out; alert policies watch them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from twinguard.decide.inventory import Finding, Inventory, Secret, Subscription, Version, short
from twinguard.decide.run_prices import ADDRESS_HOUR, MONTH_HOURS, SECRET_VERSION
from twinguard.policy import Environment, Level, Policy, Setting, is_control_plane

DAY = dt.timedelta(days=1)
UNREAD = DAY
"""A message that waits longer than this has nobody who reads it."""

VERSIONS_KEPT = 2
"""Enabled versions that a secret needs at most: the newest, and the one before until all moved."""

_DELETED = "_deleted-topic_"


def subscriptions(policy: Policy, inventory: Inventory) -> Iterator[Finding]:
    """Everything about subscriptions, and those that the policy names in vain."""
    if inventory.subscriptions is None:
        return
    for one in inventory.subscriptions:
        if is_control_plane(one.name):
            continue
        held = one.name in inventory.holds
        yield from _without_topic(one)
        if not held:  # what we paused ourselves is neither forgotten nor idle
            yield from _unread(policy, one)
            yield from _silent(policy, one)
        yield from _vanishing(policy, one)
        yield from _without_dead_letters(one)
        if short(one.name) not in policy.subscriptions:
            yield _unlisted(policy, one.name, "subscriptions", Level.LOW)
    known = {one.name for one in inventory.subscriptions}
    for name in policy.subscriptions:
        full = f"projects/{policy.project.id}/subscriptions/{name}"
        if full not in known:
            yield _absent(policy, full, Level.MEDIUM)


def is_stuck(one: Subscription) -> bool:
    """True for one that pushes what nobody acknowledges: it wakes its service for nothing."""
    return one.pushes and one.oldest is not None and one.oldest > UNREAD


def _unread(policy: Policy, one: Subscription) -> Iterator[Finding]:
    if one.oldest is None or one.oldest <= UNREAD:
        return
    left = max(one.retention - one.oldest, dt.timedelta(0))
    able = (
        is_stuck(one)
        and policy.environment is Environment.DEVELOPMENT
        and short(one.name) in policy.subscriptions
    )
    retried = " and is pushed in vain again and again" if one.pushes else ""
    ending = "" if one.expires else "; it never expires"
    yield Finding(
        level=Level.HIGH if left < DAY else Level.MEDIUM,
        rule="unread",
        resource=one.name,
        why=f"its oldest message waits for {_span(one.oldest)}{retried}, and is lost in "
        f"{_span(left)}{ending}",
        remedy="mend its consumer, or delete the subscription"
        + ("; until then: make cost-optimize-dev" if able else ""),
    )


def _without_topic(one: Subscription) -> Iterator[Finding]:
    if one.topic != _DELETED and not one.detached:
        return
    why = "is detached from its topic" if one.detached else "its topic was deleted"
    yield Finding(
        level=Level.MEDIUM,
        rule="without-topic",
        resource=one.name,
        why=f"{why}: no message will ever reach it",
        remedy=f"delete it: gcloud pubsub subscriptions delete {one.name}",
    )


def _silent(policy: Policy, one: Subscription) -> Iterator[Finding]:
    if one.pushes or one.detached or short(one.name) not in policy.subscriptions:
        return
    kind = "exports" if one.exports else "has no push endpoint"
    yield Finding(
        level=Level.LOW,
        rule="cannot-be-held",
        resource=one.name,
        why=f"{kind}, and no hold of Twinguard's says why: neither night nor cap can pause it",
        remedy="give it a push endpoint, or remove it from subscriptions in "
        f"environments/{policy.environment}/policy.yaml",
    )


def _vanishing(policy: Policy, one: Subscription) -> Iterator[Finding]:
    if one.expires is None or short(one.name) not in policy.subscriptions:
        return
    yield Finding(
        level=Level.LOW,
        rule="expires",
        resource=one.name,
        why=f"is deleted after {_span(one.expires)} without activity, as while it is paused",
        remedy='let it never expire: expiration_policy { ttl = "" }',
    )


def _without_dead_letters(one: Subscription) -> Iterator[Finding]:
    if one.dead_letter or one.exports or one.detached or one.topic == _DELETED:
        return
    yield Finding(
        level=Level.LOW,
        rule="no-dead-letters",
        resource=one.name,
        why="has no dead-letter topic: a message that always fails is tried again for "
        f"{_span(one.retention)}, and each try is paid for",
        remedy="give it a dead-letter topic and a number of attempts",
    )


def secrets(policy: Policy, inventory: Inventory) -> Iterator[Finding]:
    """Everything about secrets, and those that the policy names in vain."""
    if inventory.secrets is None:
        return
    turns = {_secret_id(policy, name): s.rotation_days for name, s in policy.secrets.items()}
    channels = {_secret_id(policy, one.lower().replace("_", "-")) for one in Setting}
    for secret in inventory.secrets:
        name = short(secret.name)
        days = turns.get(name, policy.alerts.rotation_days if name in channels else None)
        yield from _versions(secret, days, inventory.at)
        if not secret.rotates:
            yield Finding(
                level=Level.LOW,
                rule="no-rotation",
                resource=secret.name,
                why="has no rotation: nobody is reminded to renew it",
                remedy="set a rotation period" + (f" of {days} days" if days else ""),
            )
        if name not in turns and name not in channels:
            yield _unlisted(policy, secret.name, "secrets", Level.LOW)
    known = {short(secret.name) for secret in inventory.secrets}
    for name in turns:
        if name not in known:
            full = f"projects/{policy.project.id}/secrets/{name}"
            yield _absent(policy, full, Level.MEDIUM)


def _secret_id(policy: Policy, name: str) -> str:
    """The id that terraform/modules/keys gives a secret."""
    return f"{policy.environment}-{name}"


def _versions(secret: Secret, days: int | None, now: dt.datetime) -> Iterator[Finding]:
    if secret.versions is None:
        return
    enabled = sorted(
        (version for version in secret.versions if version.enabled),
        key=lambda version: version.created,
        reverse=True,
    )
    if not enabled:
        yield Finding(
            level=Level.MEDIUM,
            rule="no-version",
            resource=secret.name,
            why="has no enabled version: whoever reads it gets an error",
            remedy="add a version, or delete the secret",
        )
        return
    newest, age = enabled[0], now - enabled[0].created
    if days is not None and age > days * DAY:
        yield Finding(
            level=Level.MEDIUM,
            rule="overdue",
            resource=secret.name,
            why=f"its newest version, {newest.number}, is {age.days} days old; it is to be "
            f"renewed every {days} days",
            remedy="renew it where it comes from, and add the new value as a version",
        )
    yield from _old(secret, enabled, days, now)


def _old(
    secret: Secret, enabled: list[Version], days: int | None, now: dt.datetime
) -> Iterator[Finding]:
    old = [
        version
        for place, version in enumerate(enabled[1:], 2)
        if place > VERSIONS_KEPT or (days is not None and now - version.created > days * DAY)
    ]
    if not old:
        return
    numbers = ", ".join(version.number for version in reversed(old))
    oldest = (now - old[-1].created).days
    yield Finding(
        level=Level.MEDIUM,
        rule="old-versions",
        resource=secret.name,
        why=f"{len(enabled)} versions are enabled; old ones ({numbers}; up to {oldest} days) still "
        "work for whoever has them",
        remedy="disable them, and destroy them once nobody misses them",
        saving=SECRET_VERSION * len(old),
    )


def addresses(inventory: Inventory) -> Iterator[Finding]:
    """External addresses that are paid for and used by nothing."""
    for address in inventory.addresses or ():
        if address.external and not address.used:
            yield Finding(
                level=Level.LOW,
                rule="unattached",
                resource=address.name,
                why="is reserved, and nothing uses it",
                remedy=f"release it: gcloud compute addresses delete {_placed(address.name)}",
                saving=ADDRESS_HOUR * Decimal(MONTH_HOURS),
            )


def _placed(name: str) -> str:
    """An address as gcloud takes it."""
    _, project, *scope, _, last = name.split("/")
    where = f"--region {scope[1]}" if scope[0] == "regions" else "--global"
    return f"{last} {where} --project {project}"


def _unlisted(policy: Policy, name: str, where: str, level: Level) -> Finding:
    return Finding(
        level=level,
        rule="not-in-policy",
        resource=name,
        why="is there, but the policy does not know it",
        remedy=f"add it to {where} in environments/{policy.environment}/policy.yaml, or delete it",
    )


def _absent(policy: Policy, name: str, level: Level) -> Finding:
    return Finding(
        level=level,
        rule="does-not-exist",
        resource=name,
        why="the policy names it, but the project has none of that name",
        remedy=f"correct its name in environments/{policy.environment}/policy.yaml, or create it",
    )


def _span(time: dt.timedelta) -> str:
    """A time in its two largest units: `3 d 4 h`."""
    minutes = int(time.total_seconds() // 60)
    units = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    return " ".join([f"{count} {unit}" for unit, count in units.items() if count][:2]) or "0 min"
