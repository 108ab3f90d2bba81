# SPDX-License-Identifier: Apache-2.0
"""Work every control on this machine: real functions, stand-ins for Google and the channels.

The same processes as `make drill`, with a few messages instead of a month. Nothing outside is
touched; what exists only where it is deployed is looked at by `doctor_deployed.py`."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from twinguard import billing
from twinguard.billing.bigquery import table_of
from twinguard.cli.doctor_alerts import ALERTS, alert_of, judged, levels_of, received
from twinguard.cli.doctor_canary import worked
from twinguard.cli.doctor_request import UNAVAILABLE, answered, served
from twinguard.cli.month import Arrival, Sort, message, midnight, slot
from twinguard.cli.processes import Stop, running
from twinguard.cli.rehearsal import Play, Step, rehearsable
from twinguard.cli.stage import Stage
from twinguard.decide import hours
from twinguard.decide.deployment import Names, touched
from twinguard.decide.health import Check, Look
from twinguard.decide.health_money import fresh
from twinguard.decide.model import Resource
from twinguard.inventory.survey import Watch
from twinguard.policy import Budget, Channel, Level, Policy, Schedule
from twinguard.standins import sample_costs
from twinguard.standins.bigquery import BigQuery
from twinguard.standins.channels import Sinks
from twinguard.web.cost_control import BudgetWatch, CostControlMiddleware
from twinguard.wiring import ACKNOWLEDGED

_LITTLE, _MORE = 1.0, 5.0
"""Per cent spent at first, and per cent beyond the cap."""

_PATIENCE = 20.0
_TRIES = 3
"""What fails as often is not waited for: nothing else here fails by chance."""
_HOUR = dt.timedelta(hours=1)
_WEEKS = 15 * 24
"""Hours in which every schedule has a night."""


class Embedded:
    """One environment at work on this machine, message by message."""

    def __init__(self, policy: Policy, play: Play, budget: Budget, now: dt.datetime) -> None:
        self.policy, self.play, self.budget, self.now = policy, play, budget, now
        play.stage.pubsub.tries = _TRIES
        self.start = midnight(now.year, now.month)
        self.before: Mapping[Resource, str] = play.stage.states()

    def checks(self, url: str, watch: Watch) -> Iterator[Check]:
        """Each control, worked once, in the order of the flow."""
        parts = (
            ("the channels", self.channels),
            ("the budget", self.loop),
            ("a malformed message", self.unreadable),
            ("a night", self.nights),
            ("an old secret", self.secrets),
            ("a stolen key", lambda: worked(self.policy, url, self.now)),
            ("the costs", self.costs),
        )
        for number, (what, work) in enumerate(parts):
            watch(what, number, len(parts))
            yield from work()

    def channels(self) -> Iterator[Check]:
        """A test alert through each channel that the policy routes to."""
        routes = self.policy.alerts.routes
        look = Look(ALERTS, "routes")
        if silent := [level.value for level in Level if not routes.get(level)]:
            yield look.failed(f"nobody hears of what is {', '.join(silent)}", "alerts.routes")
        else:
            yield look.ok("every level has a channel")
        heard = {level: self._told(level) for level in levels_of(self.policy)}
        yield from judged(self.policy, heard, "delivery")

    def _told(self, level: Level) -> frozenset[Channel]:
        """The channels on which a test alert arrived, and whose receipt is on record."""
        alert = alert_of(self.policy, level, self.now)
        self.play.stage.clocked.now = self.now
        self.play.pipeline.publish(alert)
        self.play.stage.clocked.wait_idle(self.play.patience)
        arrived = {one.channel for one in self.play.ears.news() if alert.title in one.headline}
        return received(self.play.pipeline.ports.records, alert.incident) & arrived

    def loop(self) -> Iterator[Check]:
        """A budget message of little, one beyond the cap, and one of the month after."""
        small = self.play.step(self._message(_LITTLE, 9))
        look, remedy = Look("budget", "budget messages"), "make drill shows each step"
        if not _is_done(small):
            yield look.failed(f"one was answered {_answers(small)}", remedy)
            return
        yield look.ok("a synthetic one walked the loop")
        capped = self.play.step(self._message(float(self.budget.cap.percent) + _MORE, 33))
        if self.budget.cap.enabled:
            yield self._capped(capped)
        if self.budget.cap.stop_serving:
            look = Look("budget", "breaker opens")
            yield self._served(look, remedy, is_open=True)
        yield from self._over(remedy)

    def _capped(self, step: Step) -> Check:
        """Whether everything that may be held is held, and people heard of it."""
        look, remedy = Look("budget", "cap"), "make drill; what is critical in the policy?"
        wanted = set(self.play.pipeline.non_critical())
        held = {hold.resource for hold in step.holds}
        if missing := sorted(one.short for one in wanted - held):
            return look.failed(f"it does not hold {', '.join(missing)}", remedy)
        same = [one.short for one in wanted if step.states[one] == self.before[one]]
        if same:
            return look.failed(f"held in name only: {', '.join(sorted(same))}", remedy)
        if not step.heard:
            return look.failed("nobody heard of it", "alerts.routes.critical in the policy")
        return look.ok(f"it holds all {len(wanted)} that are not critical, and people heard of it")

    def _over(self, remedy: str) -> Iterator[Check]:
        year, month = divmod(self.now.year * 12 + self.now.month, 12)
        self.start = midnight(year, month + 1)
        after = self.play.step(self._message(_LITTLE, 9))
        if self.budget.cap.stop_serving:
            look = Look("budget", "breaker closes")
            yield self._served(look, remedy, is_open=False)
        look = Look("budget", "everything is put back")
        changed = sorted(one.short for one, was in self.before.items() if after.states[one] != was)
        if changed or after.holds:
            names = ", ".join(changed or [hold.resource.short for hold in after.holds])
            yield look.failed(f"not as it was: {names}", remedy)
        else:
            yield look.ok(f"all {len(self.before)} as they were")

    def _served(self, look: Look, remedy: str, *, is_open: bool) -> Check:
        """What an application's middleware answers while the breaker stands like this."""
        journal = self.play.pipeline.journal
        if journal.breaker().value.open != is_open:
            return look.failed(f"it is {'closed' if is_open else 'still open'}", remedy)
        watch = BudgetWatch(journal, None)
        answer = asyncio.run(answered(CostControlMiddleware(served, watch=watch, open_routes=())))
        if (answer == UNAVAILABLE) != is_open:
            return look.failed(f"and yet the middleware answers {answer}", remedy)
        return look.ok(f"{'by the cap' if is_open else 'by the new month'}; requests get {answer}")

    def unreadable(self) -> Iterator[Check]:
        """A message that nobody can read is kept, and acknowledged."""
        at = self.start + 12 * _HOUR
        step = self.play.step(Arrival(at, at, Sort.MALFORMED, data=b'{"budget'))
        letters = self.play.pipeline.ports.records.find("dead_letters")
        look = Look("budget", "unreadable events")
        if _is_done(step) and len(letters) == 1:
            yield look.ok("kept for a person, and not sent again for ever")
        else:
            yield look.failed(f"answered {_answers(step)}, {len(letters)} kept", "make drill")

    def nights(self) -> Iterator[Check]:
        """Put the environment to sleep and wake it up again."""
        schedule = self.policy.schedule
        if schedule is None:
            return
        look, remedy = Look("nights", "night plan"), "schedule in the policy; make drill"
        night, morning = _short_night(schedule, self.start + 24 * _HOUR)
        slept = self.play.step(slot(night, Sort.NIGHT))
        wanted = set(touched(self.policy))
        missing = sorted(one.short for one in wanted - {hold.resource for hold in slept.holds})
        if missing or not _is_done(slept):
            names = ", ".join(missing) or _answers(slept)
            yield look.failed(f"it does not put to sleep: {names}", remedy)
            return
        woken = self.play.step(slot(morning, Sort.MORNING))
        changed = [one.short for one, was in self.before.items() if woken.states[one] != was]
        if woken.holds or changed:
            yield look.failed(f"the morning does not wake: {', '.join(sorted(changed))}", remedy)
        else:
            yield look.ok(f"{len(wanted)} slept and woke as they were")

    def secrets(self) -> Iterator[Check]:
        """Let every secret of the application be old: somebody has to hear that its turn came."""
        look, vault = Look("keys", "secrets turn"), self.play.stage.secrets
        if not self.policy.secrets:
            return
        at = self.start + 48 * _HOUR
        for name, secret in self.policy.secrets.items():
            full = Names(self.policy).secret(name)
            vault.add(full)
            vault.add_version(full, at - dt.timedelta(days=secret.rotation_days + 2))
        step = self.play.step(replace(slot(at, Sort.NIGHT), attributes=(("task", "rotate"),)))
        told = " ".join(alert.title for alert in step.alerts)
        silent = sorted(name for name in self.policy.secrets if name not in told)
        if silent or not _is_done(step):
            names = ", ".join(silent) or _answers(step)
            yield look.failed(f"nobody hears that it is time: {names}", "make rotations ENV=…")
        else:
            yield look.ok(f"{len(self.policy.secrets)} had their turn, and people were told")

    def costs(self) -> Iterator[Check]:
        """Read a made-up export the way the real one is read."""
        if self.policy.billing_export is None or self.policy.billing_account is None:
            return
        look, export = Look("costs", "reading of the export"), self.policy.billing_export
        rows = sample_costs.made(self.policy, self.now)
        with BigQuery(table_of(self.policy), rows, location=export.location) as google:
            source = billing.open_costs("bigquery://", self.policy, google.environment)
            yield fresh(look, self.now, source.freshness(self.now))

    def _message(self, percent: float, hour: int) -> Arrival:
        at = self.start + hour * _HOUR
        return message(self.budget, self.start, at, percent, forecast=False)


def examined_here(
    policy: Policy, folder: Path, url: str, now: dt.datetime, watch: Watch, stop: Stop
) -> tuple[Check, ...]:
    """Start everything, work it, stop everything; `url` names the store of counters and ledger."""
    budget, stage = rehearsable(policy), Stage()
    with Sinks() as sinks, stage:
        play = Play(policy, budget, stage, sinks, folder, _PATIENCE, stop)
        with running(tuple(play.functions.values()), stop):
            return tuple(Embedded(policy, play, budget, now).checks(url, watch))


def _short_night(schedule: Schedule, moment: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """A night of the weeks after a moment, and its morning: a short one, where there is any."""
    asleep = (hours.fell_asleep_at(schedule, moment + hour * _HOUR) for hour in range(_WEEKS))
    nights = sorted({night for night in asleep if night is not None and night > moment})
    found = [(night, hours.wakes_at(schedule, night)) for night in nights]
    return min(found, key=lambda pair: pair[1] - pair[0])


def _is_done(step: Step) -> bool:
    return step.is_finished and step.statuses[-1:] == (ACKNOWLEDGED,)


def _answers(step: Step) -> str:
    return ", ".join(str(status) if status else "nothing" for status in step.statuses) or "nothing"
