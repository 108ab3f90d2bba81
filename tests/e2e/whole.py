# SPDX-License-Identifier: Apache-2.0
"""All acts in one environment, one after the other, while customers of several tenants ask."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import servers
from e2e import nights, promised, rotation, spend, theft
from e2e.place import Place, placed
from e2e.traffic import OK, Caller, Origin
from twinguard.cli.promised_effects import Promise

TENANTS = ("globex", "initech", "umbrella", "hooli")


@dataclass(frozen=True)
class Run:
    """One run: what was promised and seen, and how long it took."""

    promises: tuple[Promise, ...]
    seconds: float
    requests: int

    @property
    def is_kept(self) -> bool:
        return all(one.is_kept for one in self.promises)


def played(folder: Path, firestore: str, pubsub: str) -> Run:
    """Play all acts against emulators that run already."""
    started = time.monotonic()
    with placed(folder, firestore, pubsub) as place, contextlib.ExitStack() as stack:
        owner = Caller("acme", place.issue("acme"), theft.HOME, place.shops)
        others = [
            Caller(name, place.issue(name), _origin(number), place.shops)
            for number, name in enumerate(TENANTS, start=1)
        ]
        theft.past_of(place, owner.key)
        _warm(place, [owner, *others])
        for one in others:
            stack.enter_context(one)
        found = tuple(_acts(place, owner, others))
        stack.close()
        found += tuple(promised.of_whole(place))
        requests = sum(len(one.asked) for one in (owner, *others))
    return Run(found, time.monotonic() - started, requests)


def run(folder: Path) -> Run:
    """Everything, with emulators of its own."""
    started = time.monotonic()
    with servers.firestore(folder) as firestore, servers.pubsub(folder) as pubsub:
        done = played(folder, firestore.address, pubsub.address)
    return Run(done.promises, time.monotonic() - started, done.requests)


def _acts(place: Place, owner: Caller, others: list[Caller]) -> list[Promise]:
    policy = place.policy
    found = [*promised.of_rotation(rotation.rotated(place, others))]
    found += promised.of_theft(theft.stolen(place, owner, others), policy)
    found += promised.of_night(nights.slept(place), policy)
    found += promised.of_spend(spend.spent(place, owner), policy)
    return found


def _warm(place: Place, callers: list[Caller]) -> None:
    """Every instance has served everybody once."""
    for one in callers:
        for _ in place.shops:
            assert one.ask().status == OK, f"{one.asked[-1]}\n{place.last_words()}"


def _origin(number: int) -> Origin:
    return Origin(f"192.0.2.{number}", "DE", f"client-{number}/1.0")
