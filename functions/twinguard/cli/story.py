# SPDX-License-Identifier: Apache-2.0
"""Tell what happened in a rehearsal: rows for tables, and the same as plain data for `--json`.

Words only, no colours and no widths; `performance.py` prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twinguard.cli.heard import Heard
from twinguard.cli.month import Sort, Trouble
from twinguard.cli.promised_effects import Promise
from twinguard.cli.rehearsal import Rehearsed, Step, span
from twinguard.cli.stage import shown
from twinguard.decide.model import Alert, AlertState, Resource
from twinguard.policy import Channel

_WRONG = {
    Trouble.DEAD_CHANNEL: "{channel} is dead for a while",
    Trouble.KILL: "kill -9 in the middle of it",
    Trouble.REFUSE: "Google's API fails for a while",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A row of the timeline; several uneventful readings share one."""

    when: str
    what: str
    came_of_it: tuple[str, ...]
    is_wrong: bool = False


@dataclass(slots=True)
class Told:
    """One thing that people were told, and how often on each channel."""

    when: str
    title: str
    channels: Counter[Channel] = field(default_factory=Counter)


# --- the timeline --------------------------------------------------------------------------------


def timeline(done: Rehearsed) -> tuple[Moment, ...]:
    """Everything that arrived and what came of it, in order."""
    moments: list[Moment] = []
    plain: list[Step] = []
    states, breaker = done.before, False
    for step in done.steps:
        came = came_of(step, states, was_open=breaker)
        states, breaker = step.states, step.breaker_open
        if came or step.arrival.note or step.arrival.sort is not Sort.BUDGET:
            moments += _summed(done, plain)
            plain = []
            moments.append(_moment(done, step, came))
        else:
            plain.append(step)
    return (*moments, *_summed(done, plain))


def came_of(step: Step, before: Mapping[Resource, str], *, was_open: bool) -> tuple[str, ...]:
    """What one message led to: answers, the breaker, resources, alerts."""
    said = []
    if step.statuses != (200,):
        answers = ", ".join(str(status) if status else "no answer" for status in step.statuses)
        said.append(f"deliveries: {answers}")
    if step.breaker_open != was_open:
        said.append(f"breaker {'opens' if step.breaker_open else 'closes'}")
    if any(line["outcome"] == "dead letter" for line in step.log):
        said.append("kept as a dead letter")
    said += [
        f"{one.short}: {shown(before[one])} → {shown(state)}"
        for one, state in step.states.items()
        if state != before[one]
    ]
    titles = dict.fromkeys(alert.title for alert in step.alerts)
    return (*said, *(f"told: {title}" for title in titles))


def _moment(done: Rehearsed, step: Step, came: tuple[str, ...]) -> Moment:
    arrival = step.arrival
    what = [_reading(done, arrival.cost) if arrival.cost else str(arrival.sort)]
    what += [arrival.note] if arrival.note else []
    what += [_WRONG[trouble].format(channel=done.dead_channel) for trouble in arrival.troubles]
    nothing = "changes nothing" if arrival.inert else "nothing to do"
    return Moment(_time(step), "\n".join(what), came or (nothing,), bool(arrival.troubles))


def _summed(done: Rehearsed, steps: list[Step]) -> list[Moment]:
    if len(steps) < 2:  # noqa: PLR2004 - one needs no sum
        return [_moment(done, step, ()) for step in steps]
    first, last = (_percent(done, step.arrival.cost) for step in (steps[0], steps[-1]))
    what = f"{len(steps)} readings, {first} to {last}"
    return [Moment(_time(steps[0]), what, ("nothing to do",))]


def _time(step: Step) -> str:
    return f"{step.arrival.at:%b %d %H:%M}"


def _reading(done: Rehearsed, cost: float) -> str:
    return f"{cost:.2f} {done.budget.currency}, {_percent(done, cost)}"


def _percent(done: Rehearsed, cost: float) -> str:
    return f"{100 * cost / float(done.budget.amount or 1):.1f} %"


# --- what people heard, and what became of the resources -----------------------------------------


def alerts(done: Rehearsed) -> tuple[Told, ...]:
    """What people received, by what it was about."""
    rows: dict[tuple[str, str], Told] = {}
    for step in done.steps:
        for heard in step.heard:
            title = _title(heard, step.alerts)
            row = rows.setdefault((_time(step), title), Told(_time(step), title))
            row.channels[heard.channel] += 1
    return tuple(rows.values())


def _title(heard: Heard, told: Iterable[Alert]) -> str:
    for alert in told:
        is_end = heard.ends and alert.state is AlertState.ENDED and alert.incident == heard.key
        if is_end or alert.title in heard.headline:
            return alert.title
    return heard.headline.split(". ")[0].partition(": ")[2]


def resources(done: Rehearsed) -> tuple[tuple[str, ...], ...]:
    """Name, before, at night (where there are nights), under the cap, and in the end."""
    evening = next((s for s in done.steps if s.arrival.sort is Sort.NIGHT), None)
    capped = done.before_trouble(Trouble.REFUSE)[-1]
    points = [done.before, *([evening.states] if evening else [])]
    points += [capped.states, done.steps[-1].states]
    return tuple(
        (one.short, *(shown(states[one]) for states in points)) for one in sorted(done.before)
    )


def samples(done: Rehearsed) -> tuple[Heard, ...]:
    """The message about the cap as each of e-mail, Slack and SMS shows it."""
    heard = done.step_with(Trouble.KILL).heard
    wanted = (Channel.EMAIL, Channel.SLACK, Channel.SMS)
    return tuple(one for one in heard if one.channel in wanted)


# --- as data -------------------------------------------------------------------------------------


def as_data(done: Rehearsed, found: tuple[Promise, ...]) -> dict[str, object]:
    """Everything that the tables show, for machines."""
    return {
        "environment": done.policy.environment.value,
        "month": span(done.month),
        "passed": all(promise.is_kept for promise in found),
        "seconds": round(done.seconds, 1),
        "promises": [
            {"name": p.name, "expected": p.expected, "seen": p.seen, "kept": p.is_kept}
            for p in found
        ],
        "timeline": [_step(step) for step in done.steps],
        "alerts": [
            {
                "when": told.when,
                "title": told.title,
                "channels": {c.value: n for c, n in told.channels.items()},
            }
            for told in alerts(done)
        ],
        "resources": [
            {
                "name": one.name,
                "before": before,
                "after": done.steps[-1].states[one],
                "writes": sum(write.resource == one for write in done.writes),
            }
            for one, before in sorted(done.before.items())
        ],
        "samples": [{"channel": one.channel.value, "text": one.text} for one in samples(done)],
    }


def _step(step: Step) -> dict[str, object]:
    arrival = step.arrival
    return {
        "at": arrival.at.isoformat(),
        "published": arrival.published.isoformat(),
        "what": arrival.sort.value,
        "cost": arrival.cost or None,
        "note": arrival.note,
        "troubles": list(arrival.troubles),
        "deliveries": list(step.statuses),
        "decisions": [
            line.get("decision") or line.get("reason")
            for line in step.log
            if line["event"] != "dispatch_alert"
        ],
        "writes": [
            {"resource": w.resource.name, "before": shown(w.before), "after": shown(w.after)}
            for w in step.writes
        ],
        "alerts": [alert.title for alert in step.alerts],
        "breaker_open": step.breaker_open,
        "held": [hold.resource.name for hold in step.holds],
    }
