# SPDX-License-Identifier: Apache-2.0
"""Check what was promised to people: told once, nothing lost, death survived, all on record.

Looks only at what reached the outside and what is on record. Effects: `promised_effects.py`."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from twinguard.cli.heard import Heard
from twinguard.cli.month import MALFORMED, Trouble, cap_percent
from twinguard.cli.promised_effects import Promise, effects
from twinguard.cli.rehearsal import REFUSALS, Rehearsed
from twinguard.policy import Channel, Level

ACKNOWLEDGED = 200


def promises(done: Rehearsed) -> tuple[Promise, ...]:
    """Every promise that this environment's policy makes, in the order of their weight."""
    checks = (effects, _killed, _refused, _told, _passed_on, _dead_channel, _on_record)
    return tuple(promise for check in checks for promise in check(done))


def _told(done: Rehearsed) -> Iterator[Promise]:
    """Each rung by a phrase that only its own message has."""
    cap = cap_percent(done.budget)
    for rung in done.budget.thresholds:
        is_cap = float(rung.percent) == cap
        phrase = "is used up" if is_cap else f"passed {rung.percent:f} %"
        level = Level.CRITICAL if is_cap else rung.level
        yield _once(done, f"{rung.percent:f} % spent is told once", phrase, level)
    for rung in done.budget.forecast[-1:]:
        phrase = f"is forecast to pass {rung.percent:f} %"
        yield _once(done, f"the forecast of {rung.percent:f} % is told once", phrase, rung.level)


def _passed_on(done: Rehearsed) -> Iterator[Promise]:
    phrase = "reports a cost anomaly"
    yield _once(done, "Google's own cost anomaly is passed on once", phrase, Level.MEDIUM)
    heard = [one for step in done.steps for one in step.heard]
    if pages := {one.key for one in heard if one.key}:
        resolved = {one.key for one in heard if one.ends}
        yield _share("every page is resolved in the end", len(pages), len(pages & resolved))


def _once(done: Rehearsed, name: str, phrase: str, level: Level) -> Promise:
    routes = done.policy.alerts.routes.get(level, ())
    heard = [h.channel for s in done.steps for h in s.heard if phrase in h.headline]
    return Promise(name, _counts(routes), _counts(heard))


def _counts(channels: Iterable[Channel]) -> str:
    found = Counter(channels)
    return ", ".join(f"{channel} {found[channel]}" for channel in Channel if found[channel]) or "-"


# --- what goes wrong -----------------------------------------------------------------------------


def _killed(done: Rehearsed) -> Iterator[Promise]:
    step = done.step_with(Trouble.KILL)
    gone = "killed" if step.was_killed and step.statuses[:1] == (0,) else "not killed"
    back = "redelivered, finished" if step.statuses[-1:] == (ACKNOWLEDGED,) else "not finished"
    name = f"kill -9 while it {_doing(done)} is survived"
    yield Promise(name, "killed, redelivered, finished", f"{gone}, {back}")


def _refused(done: Rehearsed) -> Iterator[Promise]:
    statuses = done.step_with(Trouble.REFUSE).statuses
    expected = (*[503] * REFUSALS, ACKNOWLEDGED)
    name = f"what fails while it {_doing(done)} is retried until it works"
    yield Promise(name, _answers(expected), _answers(statuses))


def _doing(done: Rehearsed) -> str:
    if done.target.endswith(":publish"):
        return "publishes an alert"
    return f"changes {done.target.rsplit('/', 1)[-1].partition(':')[0]}"


def _answers(statuses: Iterable[int]) -> str:
    return ", ".join(str(status) if status else "no answer" for status in statuses)


def _dead_channel(done: Rehearsed) -> Iterator[Promise]:
    dead, step = done.dead_channel, done.step_with(Trouble.DEAD_CHANNEL)
    first = next(iter(step.alerts), None)
    routes = done.policy.alerts.routes.get(first.level, ()) if first else ()
    heard = [h.channel for h in step.heard if first and first.title in h.headline]
    yield Promise(f"no message is lost while {dead} is dead", _counts(routes), _counts(heard))
    if reporter := _reporter(done):
        said = [h.channel for h in step.heard if _is_outage(h, dead)]
        name = f"people hear elsewhere that {dead} is dead, and that it is back"
        yield Promise(name, _counts([reporter] * 2), _counts(said))


def _is_outage(heard: Heard, dead: Channel) -> bool:
    return "Alerts" in heard.headline and f"delivered by {dead}" in heard.headline


def _reporter(done: Rehearsed) -> Channel | None:
    """The first other channel that the policy uses."""
    used = {channel for routes in done.policy.alerts.routes.values() for channel in routes}
    others = (one for one in Channel if one in used and one is not done.dead_channel)
    return next(others, None)


# --- what is on record ---------------------------------------------------------------------------


def _on_record(done: Rehearsed) -> Iterator[Promise]:
    finished = sum(s.is_finished and s.statuses[-1:] == (ACKNOWLEDGED,) for s in done.steps)
    yield _share("every message is acknowledged in the end", len(done.steps), finished)
    malformed = base64.b64encode(MALFORMED).decode()
    kept = sum(malformed in str(letter.value["body"]) for letter in done.dead_letters)
    yield Promise("the malformed message is kept for a person", "1 kept", f"{kept} kept")
    begun = {one.id: one.value for one in done.audit if one.value["phase"] == "begun"}
    ended = {str(one.value["begun"]) for one in done.audit if one.value["phase"] == "ended"}
    cut = begun.keys() - ended
    taken_up = sum(_is_taken_up(one, begun, ended) for one in cut)
    touched = {str(value["resource"]) for value in begun.values()} - {""}
    broken = int(any(done.target.startswith(resource) for resource in touched))
    yield Promise(
        "each audited effect has an end; a killed one is taken up",
        f"{broken} cut short, {broken} taken up",
        f"{len(cut)} cut short, {taken_up} taken up",
    )


def _is_taken_up(cut: str, begun: Mapping[str, Mapping[str, object]], ended: set[str]) -> bool:
    """True if the same was begun again after that, and ended."""
    same = ("action", "resource")
    return any(
        one > cut and one in ended and all(value[name] == begun[cut][name] for name in same)
        for one, value in begun.items()
    )


def _share(name: str, of: int, seen: int) -> Promise:
    return Promise(name, f"{of} of {of}", f"{seen} of {of}")
