# SPDX-License-Identifier: Apache-2.0
"""What pages show follows from data alone: budgets, charts, health, evidence, timelines."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from twinguard import config
from twinguard.decide import incidents
from twinguard.decide.incidents import Incident, Mark, Receipt
from twinguard.decide.keys import Key, KeyState, Kind, Step, Trouble
from twinguard.decide.ledger import NANOS, Limit, Period, Scope, Standing
from twinguard.decide.model import (
    Alert,
    AlertState,
    Breaker,
    NightState,
    PeriodState,
)
from twinguard.decide.model import (
    Reading as Heard,
)
from twinguard.decide.spend import BudgetStand
from twinguard.decide.storm import ChannelState
from twinguard.decide.threats.baseline import ADDRESS, COUNTRY, DIMENSIONS, Baseline
from twinguard.decide.threats.values import ThreatLevel
from twinguard.llm.ledger_book import SetLimit
from twinguard.policy import Channel, Environment, Level
from twinguard.ports import Stored
from twinguard.raising import Allowance
from twinguard.reports.document import Daily
from twinguard.web.dashboard.baseline_view import usual_of
from twinguard.web.dashboard.budget_view import budget_bar
from twinguard.web.dashboard.charts import month_plot, year_plot
from twinguard.web.dashboard.health_view import controls, rotation
from twinguard.web.dashboard.incidents_view import alert_history
from twinguard.web.dashboard.lately import Reading
from twinguard.web.dashboard.limits_view import environments_own, limits_panel
from twinguard.web.dashboard.operations_view import audit_trail
from twinguard.web.dashboard.security import Found
from twinguard.web.dashboard.security_view import fact_in_words, incident_page, row
from twinguard.web.dashboard.watched import Beside, RecordsSeen
from twinguard.web.dashboard.words import age, until

POLICY = config.load(config.path_of(Environment.STAGING))
NOW = dt.datetime(2026, 11, 25, 18, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NOT_READ = Reading(None, NOW, "BigQuery does not answer")
EMPTY = RecordsSeen(
    holds=(),
    breaker=Breaker(),
    night=None,
    period=None,
    keys=(),
    unknown_keys=(),
    dead_letters=(),
    channels=(),
    incidents=(),
    blocked=(),
    throttled=None,
    audit=(),
)


# --- money ---------------------------------------------------------------------------------------


def stand(percent, crossed=(), following=None, reached=None) -> BudgetStand:
    return BudgetStand(
        name="b",
        amount=Decimal(500),
        currency="USD",
        basis=5 * Decimal(percent),
        percent=Decimal(percent),
        crossed=tuple(map(Decimal, crossed)),
        next=None if following is None else Decimal(following),
        burn=Decimal(10),
        cap_percent=Decimal(100),
        reached_on=reached,
    )


@pytest.mark.parametrize(
    ("found", "level", "state"),
    [
        (stand(50, (), 75), "ok", "within"),
        (stand(85, (75,), 90), "near", "watch"),
        (stand(60, (), 75, dt.date(2026, 11, 28)), "near", "watch"),
        (stand(100, (75, 90, 100)), "over", "capped"),
        (stand(240, (75, 90, 100)), "over", "capped"),
    ],
)
def test_a_budget_is_within_watched_or_capped(found, level, state):
    bar = budget_bar(found, POLICY)

    assert (bar.level, bar.state) == (level, state)
    assert 0 <= bar.filled <= 100
    assert all(0 <= step.at <= 100 for step in bar.steps)


def test_names_of_thresholds_never_overlap_but_each_has_its_mark():
    bar = budget_bar(stand(141, (75, 90, 100)), POLICY)

    named = [step.at for step in bar.steps if step.name]
    assert [step.name for step in bar.steps] == ["75 %", "", "100 %"]
    assert all(later - earlier >= 14 for earlier, later in pairwise(named))


def test_an_environment_without_a_budget_has_no_bar():
    assert budget_bar(None, POLICY) is None


def daily(days, forecast=None, lines=()) -> Daily:
    month = dt.date(2026, 11, 1)
    amounts = tuple((month + n * DAY, Decimal(a)) for n, a in enumerate(days))
    through = amounts[-1][0] if amounts else None
    ends = None if forecast is None else tuple(map(Decimal, forecast))
    return Daily(
        month=month, through=through, days=amounts, lines=lines, forecast=ends, currency="USD"
    )


def test_a_month_is_drawn_as_its_sum_with_a_fan_to_the_forecasts_ends():
    plot = month_plot(daily([10, 20, 30], (500, 700), (("75 %", Decimal(375)),)))

    told = json.loads(plot.data)
    assert told["series"]["sum"][:4] == [10, 30, 60, None]
    assert [told["series"][end][n] for end in ("low", "high") for n in (1, 2, -1)] == [
        None,
        60,
        500,
        None,
        60,
        700,
    ]
    assert told["levels"] == [["75 %", 375.0]]
    assert len(told["x"]) == 30
    assert {name for name, path in plot.paths if path} == {"fan", "line"}


def test_every_place_of_a_drawing_is_inside_of_it():
    plot = month_plot(daily([10] * 30, None, (("100 %", Decimal(600)),)))

    for _, path in plot.paths:
        for pair in path.strip("MZ").split("L") if path else []:
            x, y = map(float, pair.split(","))
            assert 0 <= x <= plot.width
            assert 0 <= y <= plot.height
    assert all(0 <= mark.at <= plot.height for mark in (*plot.up, *plot.levels))


@pytest.mark.parametrize("days", [[], [0, 0]])
def test_a_month_without_costs_is_not_drawn(days):
    assert month_plot(daily(days)) is None


def test_a_year_has_every_day_also_those_without_costs():
    first = dt.date(2025, 12, 1)
    plot = year_plot([(first, Decimal(3)), (first + 3 * DAY, Decimal(-1))], "USD")

    assert json.loads(plot.data)["series"]["day"] == [3, 0, 0, -1]
    assert year_plot([(first, Decimal(3))], "USD") is None


# --- health --------------------------------------------------------------------------------------


def state_of(
    name: str, seen: RecordsSeen, costs=NOT_READ, policy=POLICY, limits=NOT_READ, guard=None
) -> tuple[str, str]:
    beside = Beside(costs, limits, guard)
    found = next(one for one in controls(seen, beside, policy, NOW) if one.name == name)
    return found.state, found.words


def period(last: dt.datetime, **more) -> PeriodState:
    return PeriodState("environment", NOW - 20 * DAY, readings=(Heard(last, last, 1),), **more)


def test_what_nobody_recorded_is_unknown_and_never_well():
    states = {
        one.name: one.state
        for one in controls(EMPTY, Beside(NOT_READ, NOT_READ, None), POLICY, NOW)
    }

    assert states == {
        "Budget messages": "unknown",
        "Cost breaker": "ok",
        "Night plan": "unknown",
        "Costs": "failing",
        "Limits on models": "failing",
        "Key guard": "unknown",
        "Key rotation": "unknown",
        "Alert channels": "unknown",
        "Dead letters": "ok",
    }


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (period(NOW - HOUR), "ok"),
        (period(NOW - 31 * HOUR), "failing"),
        (period(NOW - HOUR, failing=1), "failing"),
        (period(NOW - HOUR, failing=2), "ok"),
    ],
)
def test_a_silent_budget_is_a_failing_one(found, state):
    assert state_of("Budget messages", replace(EMPTY, period=found))[0] == state


@pytest.mark.parametrize(
    ("night", "state"),
    [
        (NightState("2026-11-25", NOW - HOUR), "ok"),
        (NightState("2026-11-25", NOW - HOUR, ended=True), "ok"),
        (NightState("2026-11-25", NOW - HOUR, failing=True), "failing"),
    ],
)
def test_a_night_that_fails_is_said(night, state):
    assert state_of("Night plan", replace(EMPTY, night=night))[0] == state


def test_a_dead_channel_an_open_breaker_and_dead_letters_are_said():
    letter = Stored("x", {"at": NOW.isoformat()}, "1")
    seen = replace(
        EMPTY,
        channels=(ChannelState(Channel.SMS, trouble="staging/channel/sms/1"),),
        breaker=Breaker((("environment", "the budget is used up"),)),
        dead_letters=(letter, letter),
    )

    assert state_of("Alert channels", seen) == ("failing", "does not deliver: sms")
    assert state_of("Cost breaker", seen) == ("look", "open: the budget is used up")
    assert state_of("Dead letters", seen) == ("look", "2 events that nothing can handle")


def key(**more) -> KeyState:
    secret = "openai-api-key"
    fields = {"current": Key(version=3), "rotated_at": NOW - 5 * DAY} | more
    return KeyState("staging", secret, Kind.OPENAI, **fields)


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (key(), "ok"),
        (key(rotated_at=NOW - 400 * DAY), "look"),
        (key(step=Step.ASKED, trouble=Trouble("renew it")), "look"),
        (key(step=Step.BLOCKED), "failing"),
    ],
)
def test_a_key_is_well_due_or_blocked(found, level):
    assert rotation(found, POLICY, NOW).level == level
    wanted = {"ok": "ok", "look": "look", "failing": "failing"}[level]
    assert state_of("Key rotation", replace(EMPTY, keys=(found,)))[0] == wanted


def test_a_key_that_left_the_policy_is_shown_and_never_due():
    found = rotation(replace(key(), secret="gone"), POLICY, NOW)

    assert (found.level, found.due_at) == ("ok", None)


# --- the trail -----------------------------------------------------------------------------------


def begun(number: int, at: dt.datetime, subject: str, actor: str = "ada") -> Stored:
    value = {
        "phase": "begun",
        "at": at.isoformat(),
        "actor": actor,
        "action": "TakeHold",
        "subject": subject,
        "detail": "stopped",
    }
    return Stored(str(number), value, "1")


def ended(number: int, of: int, outcome: str = "done") -> Stored:
    value = {"phase": "ended", "at": NOW.isoformat(), "begun": str(of), "outcome": outcome}
    return Stored(str(number), value, "1")


def test_an_effect_is_shown_with_its_end_and_without_one_it_is_under_way():
    records = (ended(3, 1, "failed"), begun(2, NOW, "b"), begun(1, NOW, "a"))

    found = audit_trail(records)

    assert [(one.subject, one.outcome) for one in found] == [("b", "under way"), ("a", "failed")]


def test_a_record_of_another_version_spoils_no_page():
    (found,) = audit_trail((Stored("1", {"at": 7, "phase": "begun"}, "1"),))

    assert (found.actor, found.at.year) == ("", 1970)


# --- incidents -----------------------------------------------------------------------------------


def alert(step=1, state=AlertState.OPENED, at=NOW, kind="theft", lines=("42 addresses",)) -> Alert:
    incident = f"staging/{kind}/k-7f3a/1"
    return Alert(incident, "staging", kind, Level.HIGH, step, state, "stolen", lines, at)


def incident(*alerts: Alert) -> Incident:
    known = Incident(alerts[0].incident)
    for one in alerts:
        known = incidents.absorb(known, one)
    return known


def test_a_timeline_has_alerts_receipts_and_what_was_done_in_their_order():
    known = incident(alert(at=NOW - HOUR), alert(9, AlertState.ENDED, NOW, lines=("it is over",)))
    told = Receipt(Mark(1, AlertState.OPENED), "mail-1", NOW - HOUR / 2)
    known = incidents.deliver(known, Channel.EMAIL, told)
    audit = (
        begun(1, NOW - HOUR / 3, "key k-7f3a"),
        begun(2, NOW - HOUR / 3, "service worker"),
        begun(3, NOW - 3 * HOUR, "key k-7f3a"),
    )

    page = incident_page(known, audit, NOW + HOUR)

    assert [one.what for one in page.timeline] == [
        "Opened",
        "Told by email",
        "Take hold by ada",
        "Ended",
    ]
    assert page.evidence == ("42 addresses", "it is over")
    assert (page.state, page.lasted) == ("ended", "1 hour")


def test_incidents_are_told_apart_by_what_they_are_about():
    known = [incident(alert(kind=kind)) for kind in ("cap", "night", "theft", "something-new")]

    counts = {
        kind: len(alert_history(known, kind)) for kind in ("costs", "operations", "security", "")
    }

    assert counts == {"costs": 1, "operations": 1, "security": 2, "": 4}


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (True, "yes"),
        (None, "none"),
        (1234, "1,234"),
        (4.25, "4.2"),
        (4.0, "4"),
        ("a", "a"),
        ({"new_country": 1.5, "odd_hour": 9.0}, "odd hour 9, new country 1.5"),
        ([str(n) for n in range(8)], "0, 1, 2, 3, 4, 5 and 2 more"),
        ([], ""),
    ],
)
def test_evidence_is_said_in_words(fact, words):
    assert fact_in_words(fact) == words


def test_a_finding_is_shown_with_its_strongest_reasons():
    evidence = {"reasons": {"b": 1, "new_place": 9, "c": 2, "d": 3}, "requests_60s": 40}
    raw = msgspec.Raw(json.dumps(evidence).encode())

    found = row(Found("1", NOW, "k", "burst", ThreatLevel.HIGH, raw))

    assert (found.level, found.reasons) == ("high", "new place, d, c")
    assert found.facts[1] == ("requests 60s", "40")


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (dt.timedelta(seconds=20), "moments"),
        (dt.timedelta(minutes=1), "1 minute"),
        (dt.timedelta(minutes=59), "59 minutes"),
        (HOUR, "1 hour"),
        (47 * HOUR, "1 day"),
        (-HOUR, "moments"),
    ],
)
def test_an_age_is_said_in_one_unit(ago, words):
    assert age(NOW - ago, NOW) == words


def test_what_is_due_is_ahead_or_overdue():
    assert until(NOW + 3 * DAY, NOW) == "in 3 days"
    assert until(NOW - 2 * HOUR, NOW) == "overdue by 2 hours"


# --- limits on models ----------------------------------------------------------------------------

NOVEMBER = Period("2026-11")


def allowance(scope: str, limit: int | None, spent: int, held: int = 0, set_by=None) -> Allowance:
    whose, generation = Scope.of(scope), set_by.limit.generation if set_by else 0
    dollars = None if limit is None else limit * NANOS
    standing = Standing(whose, NOVEMBER, dollars, spent * NANOS, held * NANOS, generation)
    return Allowance(standing, set_by)


def test_limits_begin_with_the_environment_and_go_on_with_the_fullest():
    found = limits_panel(
        [
            allowance("feature:chat", None, 31),
            allowance("feature:search", None, 90),
            allowance("model:openai/gpt-4o", None, 63),
            allowance("tenant:acme", 50, 39, held=2),
            allowance("tenant:globex", 0, 0),
            allowance("environment:staging", 200, 63),
        ],
        NOVEMBER,
        is_live=True,
    )

    assert [(one.scope, one.used, one.level) for one in found.rows] == [
        ("environment:staging", "32 %", "ok"),
        ("tenant:globex", "100 %", "over"),
        ("tenant:acme", "82 %", "near"),
        ("feature:search", "", ""),
        ("feature:chat", "", ""),
    ]
    assert (found.month, found.resets_at) == ("November 2026", NOVEMBER.end)
    assert (found.rows[2].held, found.rows[2].left) == ("2.00", "9.00")


def test_an_environments_own_limit_is_picked_and_none_where_there_is_none():
    own, other = allowance("environment:staging", 200, 63), allowance("tenant:acme", 50, 1)

    assert environments_own([other, own]).used == "32 %"
    assert environments_own([other]) is None
    assert environments_own([allowance("environment:ci", None, 1)]) is None


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        ((), "unknown", "the policy limits no model, customer or feature"),
        ((("tenant:acme", None, 9),), "unknown", "the policy limits no model, customer or feature"),
        ((("tenant:acme", 50, 49),), "ok", "1 limit, none is used up"),
        (
            (("tenant:acme", 50, 50), ("feature:chat", 9, 2)),
            "look",
            "used up, calls are refused: tenant:acme",
        ),
    ],
)
def test_a_limit_that_is_used_up_needs_a_look(found, state, words):
    limits = Reading(tuple(allowance(*one) for one in found), NOW)

    assert state_of("Limits on models", EMPTY, limits=limits) == (state, words)


@pytest.mark.parametrize(
    ("guard", "state", "words"),
    [
        (None, "unknown", "set TWINGUARD_COUNTERS to its store to look at it here"),
        (Reading(2, NOW), "ok", "its store answers; 2 keys held back"),
        (Reading(2, NOW, "Redis does not answer"), "failing", "Redis does not answer"),
    ],
)
def test_the_guard_of_keys_is_only_well_while_its_store_answers(guard, state, words):
    assert state_of("Key guard", EMPTY, guard=guard) == (state, words)


def test_a_limit_that_a_person_set_says_who_until_when_and_why():
    limit = Limit(Scope.of("tenant:acme"), 80 * NANOS, 3, NOW + DAY)
    set_by = SetLimit(limit, "ann", "launch week", NOW)

    panel = limits_panel([allowance("tenant:acme", 80, 47, 0, set_by)], NOVEMBER, is_live=False)

    (row,) = panel.rows
    assert (row.by, row.until, row.reason) == ("ann", NOW + DAY, "launch week")
    assert (row.limit, row.held) == ("80.00", "not known")


# --- baselines -----------------------------------------------------------------------------------


def test_a_baseline_is_told_in_words_with_hours_as_spans():
    week = [100 if hour % 24 in {8, 9, 10, 14} else 0 for hour in range(168)]
    seen = [{} for _ in DIMENSIONS]
    seen[ADDRESS] = {f"10.0.0.{n}": [0, 90, 9 - n] for n in range(8)}
    seen[COUNTRY] = {"BE": [0, 90, 4]}
    learned = Baseline(
        since=480_000,
        through=480_095,
        active=40.0,
        avg_requests_per_hour=1234.56,
        peak_60=61.0,
        max_concurrent_ips=2,
        week=week,
        seen=seen,
    )

    told = dict(usual_of(learned).facts)

    assert told["requests an hour"] == "1,234.6 while it is used"
    assert told["hours"] == "08:00 to 11:00, 14:00 to 15:00 UTC"
    assert (
        told["addresses"] == "10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 2 more"
    )
    assert (told["countries"], told["agents"]) == ("BE", "none known")
    assert (told["most at once"], told["known for"]) == ("2 sources", "3 days")
    assert usual_of(learned).through == dt.datetime.fromtimestamp(480_096 * 3600, dt.UTC)


@pytest.mark.parametrize("found", [None, Baseline(since=480_000)])
def test_of_what_was_not_learned_nothing_is_usual(found):
    assert usual_of(found) is None
