# SPDX-License-Identifier: Apache-2.0
"""What becomes of what the application used: incidents, blocks, alerts, and their end."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import MemoryRecords
from threats import AGENT, AWAY, CALL, HOME, PLACES, START, owned, use
from twinguard.decide.model import Alert, AlertState
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.thefts import absorbed, due
from twinguard.decide.threats.values import Detector, Finding, ThreatLevel
from twinguard.errors import BadEvent, Conflict, Unavailable
from twinguard.flow import Ports
from twinguard.parse import Event
from twinguard.policy import Level
from twinguard.state.counters import Options, open_counters
from twinguard.theft_flow import TheftFlow
from twinguard.theft_records import TheftJournal
from twinguard.usage import UsageEvent, encoded
from world import POLICY

SECOND = 1 / 86400
NOW = START + dt.timedelta(days=14.3)
KEY = "0123456789abcdef-7777"
QUIET = dt.timedelta(hours=24)


class Topics:
    """Keeps what is published; refuses while `is_down`."""

    def __init__(self):
        self.sent = []
        self.is_down = False

    def publish(self, topic, data, attributes):
        if self.is_down:
            raise Unavailable("the topic does not answer")
        self.sent.append((topic, data, dict(attributes)))
        return str(len(self.sent))

    @property
    def alerts(self):
        return [msgspec.json.decode(d, type=Alert) for t, d, _ in self.sent if t == "alerts"]


class Here:
    """An environment; each call is a fresh flow, which remembers nothing."""

    def __init__(self, policy=POLICY):
        self.policy, self.topics, self.records = policy, Topics(), MemoryRecords()
        self.counters = open_counters("memory://", Options(place_of=PLACES.get))
        self.number = 0

    @property
    def flow(self):
        ports = Ports(self.records, {}, None, self.topics, "alerts")
        return TheftFlow(self.policy, ports, self.counters, secret_topic="secrets")

    def take(self, events, now=NOW, message_id="", **attributes):
        self.number += 1
        data = encoded(list(events)) if not isinstance(events, bytes) else events
        return self.flow.on_usage(Event(message_id or str(self.number), now, data, attributes), now)

    def held(self, key=KEY, at=NOW):
        return self.counters.admit(use(0, key_id=key).__class__(at, key)).refused

    def audit(self):
        rows = self.records.find("audit")
        return [row.value.get("action") for row in rows if row.value["phase"] == "begun"]


@pytest.fixture
def here():
    return Here()


def finding(level=ThreatLevel.HIGH, at=NOW, key=KEY, **evidence):
    told = {"reasons": {"new_source": 9.5, "new_agent": 3.0}, "address": AWAY} | evidence
    return Finding(at, key, Detector.GEOGRAPHIC_ANOMALY, level, told)


def counted(*findings, at=NOW, key=KEY, **more):
    return UsageEvent(at=at, key_id=key, ip=AWAY, counted=True, findings=findings, **more)


# --- the response of strategy.md 12.1 ------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "curb", "rate", "hours"),
    [
        (ThreatLevel.CRITICAL, Curb.BLOCK, 0, None),
        (ThreatLevel.HIGH, Curb.THROTTLE, 10, 24),
        (ThreatLevel.MEDIUM, Curb.THROTTLE, 10, 1),
    ],
)
def test_a_finding_holds_the_key_back_by_its_level(here, level, curb, rate, hours):
    here.take([counted(finding(level))])
    held = here.counters._held[KEY]

    assert (held.curb, held.rate) == (curb, rate)
    until = None if hours is None else NOW.timestamp() + 3600 * hours
    assert held.until == until


def test_a_low_finding_is_watched_and_told_by_mail(here):
    here.take([counted(finding(ThreatLevel.LOW))])

    assert here.held() is None
    assert [alert.level for alert in here.topics.alerts] == [Level.LOW]


def test_people_hear_why_and_what_was_done(here):
    here.take([counted(finding(ThreatLevel.CRITICAL))])
    (alert,) = here.topics.alerts

    assert alert.title == f"API key {KEY}: CRITICAL, geographic anomaly"
    assert alert.lines == (
        "Why: new source (9.5 bits), new agent (3 bits).",
        f"Address: {AWAY}.",
        f"First sign: {NOW:%Y-%m-%d %H:%M:%S} UTC, 1 findings.",
        "The key is blocked until a person lifts it.",
        f"Evidence and next steps: make incident ID={KEY}/{NOW:%Y-%m-%dT%H-%M-%S} ENV=staging",
    )


def test_a_level_rises_in_one_incident_and_never_falls(here):
    for n, level in enumerate([ThreatLevel.MEDIUM, ThreatLevel.CRITICAL, ThreatLevel.HIGH]):
        here.take([counted(finding(level, NOW + dt.timedelta(seconds=n)))])
    alerts = here.topics.alerts

    assert [(a.step, a.level) for a in alerts] == [(2, Level.MEDIUM), (4, Level.CRITICAL)]
    assert len({alert.incident for alert in alerts}) == 1
    assert here.held().curb is Curb.BLOCK


def test_the_audit_says_what_before_it_happens(here):
    here.take([counted(finding(ThreatLevel.CRITICAL))])

    assert here.audit() == ["HoldBack", "Tell"]


def test_a_customers_key_is_marked_and_a_providers_key_rotated():
    secrets = {"openai-api-key": msgspec.convert({"readers": ["user:a@b.com"]}, type_of_secret())}
    here = Here(replace(POLICY, secrets=secrets))
    here.take([counted(finding(key="openai-api-key"), key="openai-api-key"), counted(finding())])
    asked = [attributes for topic, _, attributes in here.topics.sent if topic == "secrets"]

    assert [one["secretId"] for one in asked] == [
        "projects/living-twin-staging/secrets/staging-openai-api-key"
    ]
    assert asked[0]["eventType"] == "SECRET_ROTATE"
    assert here.flow.theft_journal.theft(KEY).rotation == "marked"


def type_of_secret():
    from twinguard.provisions import Secret

    return Secret


# --- deciding across instances -------------------------------------------------------------------


def test_a_theft_that_is_spread_over_instances_is_found_together(here):
    """Each instance sees a few requests only; the batches together show it."""
    for one in owned(14):
        here.counters.observe(replace(one, key_id=KEY))
    thefts = [
        UsageEvent(at=NOW + dt.timedelta(seconds=5 * n), key_id=KEY, ip=AWAY, user_agent="sqlmap/1")
        for n in range(40)
    ]
    for n in range(0, 40, 4):
        here.take(thefts[n : n + 4], thefts[n + 3].at)

    assert here.held(at=thefts[-1].at).curb is Curb.BLOCK
    assert here.topics.alerts[-1].level is Level.CRITICAL


def test_what_a_shared_store_counted_is_not_counted_again(here):
    for n in range(300):
        here.take([counted(at=NOW + dt.timedelta(seconds=n / 100), status=200)])

    assert here.counters._watch.tracked == 0


def test_a_repeated_message_changes_nothing(here):
    batch = [counted(finding(ThreatLevel.CRITICAL))]
    here.take(batch, message_id="m1")
    here.flow.lift(KEY, "eve", "it was us", NOW + dt.timedelta(minutes=5), is_owner=True)
    report = here.take(batch, NOW + dt.timedelta(minutes=6), message_id="m1")
    again = here.take(batch, NOW + dt.timedelta(minutes=7), message_id="m2")

    assert "changes nothing" in report.decision
    assert again.alerts == ()
    assert here.held(at=NOW + dt.timedelta(minutes=8)) is None


def test_old_and_future_events_are_ignored(here):
    day = dt.timedelta(days=3)
    report = here.take([counted(finding(at=NOW - day), at=NOW - day), counted(at=NOW + day)])

    assert report.decision == "0 uses of 0 keys, 2 ignored for their time"
    assert here.topics.alerts == []


def test_a_finding_about_another_key_than_the_events_is_not_believed(here):
    here.take([counted(finding(ThreatLevel.CRITICAL, key="somebody-else"))])

    assert here.held("somebody-else") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"events":[]}',
        b'{"events":[{"at":"2026-11-23T10:00:00","key_id":"k"}]}',
        b'{"events":[{"at":"2026-11-23T10:00:00Z","key_id":""}]}',
        b'{"events":[{"at":"2026-11-23T10:00:00Z","key_id":"' + b"k" * 300 + b'"}]}',
        b'{"events":[{"at":"2026-11-23T10:00:00Z","key_id":"k","status":"200"}]}',
        b'{"events":[' + b",".join([b'{"at":"2026-11-23T10:00:00Z","key_id":"k"}'] * 1001) + b"]}",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_batch_is_a_bad_event(here, data):
    with pytest.raises(BadEvent):
        here.take(data)


@settings(max_examples=100)
@given(st.text(max_size=200), st.text(max_size=1024), st.text(min_size=1, max_size=200))
def test_hostile_texts_in_events_break_nothing(ip, text, key):
    here = Here()
    here.take(
        [
            UsageEvent(at=NOW, key_id=key, ip=ip, user_agent=text, path=text, status=n)
            for n in (0, 999)
        ]
    )

    assert here.topics.sent == []


# --- when something does not answer --------------------------------------------------------------


def test_a_topic_that_does_not_answer_stops_no_block_and_is_told_later(here):
    here.topics.is_down = True
    batch = [counted(finding(ThreatLevel.CRITICAL))]
    with pytest.raises(Unavailable, match="the topic does not answer"):
        here.take(batch, message_id="m1")
    blocked = here.held()
    here.topics.is_down = False
    here.take(batch, message_id="m1")

    assert blocked.curb is Curb.BLOCK
    assert len(here.topics.alerts) == 1
    assert here.audit() == ["HoldBack", "Tell", "Tell"]


def test_one_key_that_fails_does_not_hold_up_the_others(here, monkeypatch):
    restrain = here.counters.restrain

    def refusing(restraint):
        if restraint.key_id == "bad":
            raise Unavailable("no answer")
        restrain(restraint)

    monkeypatch.setattr(here.counters, "restrain", refusing)
    with pytest.raises(Unavailable, match="bad: no answer"):
        here.take(
            [
                counted(finding(ThreatLevel.CRITICAL, key="bad"), key="bad"),
                counted(finding(ThreatLevel.CRITICAL)),
            ]
        )

    assert here.held().curb is Curb.BLOCK


def test_a_providers_key_that_cannot_be_rotated_does_not_hold_up_the_others():
    secrets = {"openai": msgspec.convert({"readers": ["user:a@b.com"]}, type_of_secret())}
    here = Here(replace(POLICY, secrets=secrets))
    flow = TheftFlow(here.policy, here.flow.ports, here.counters)
    found = [counted(finding(key=key), key=key) for key in ("openai", KEY)]
    with pytest.raises(Unavailable, match="openai: TWINGUARD_SECRET_TOPIC is missing"):
        flow.on_usage(Event("1", NOW, encoded(found), {}), NOW)
    outcomes = [row.value.get("outcome") for row in here.records.find("audit")]

    assert here.counters._held[KEY].curb is Curb.THROTTLE
    assert outcomes.count("failed") == 1


# --- how it ends ---------------------------------------------------------------------------------


def test_a_person_lifts_a_block_with_a_reason(here):
    here.take([counted(finding(ThreatLevel.CRITICAL))])
    later = NOW + dt.timedelta(minutes=9)
    said = here.flow.lift(KEY, "eve", "our new region", later, is_owner=True)
    theft = here.flow.theft_journal.theft(KEY)

    assert said.startswith(f"{KEY} is not held back any more; incident {KEY}/")
    assert here.held(at=later) is None
    assert (theft.ended_by, theft.ended_why) == ("eve", "our new region")
    assert here.topics.alerts[-1].state is AlertState.ENDED
    assert "Lift: our new region" in here.audit()


def test_what_was_never_an_incident_can_be_lifted_too(here):
    here.counters.restrain(Restraint(key_id=KEY, curb=Curb.BLOCK, since=0.0))

    assert "no incident was open" in here.flow.lift(KEY, "eve", "by hand", NOW, is_owner=False)
    assert here.held() is None


@pytest.mark.parametrize("had_one", [False, True])
def test_what_was_found_before_a_lift_and_is_heard_of_after_it_blocks_nobody(here, had_one):
    later = NOW + dt.timedelta(minutes=5)
    if had_one:  # an incident that ended long before
        here.flow.lift(KEY, "eve", "it was us", NOW - QUIET, is_owner=True)
    here.flow.lift(KEY, "eve", "it was us", later, is_owner=True)
    here.take([counted(finding(ThreatLevel.CRITICAL))], later)

    assert here.held(at=later) is None
    assert here.topics.alerts == []


def meanwhile(here, monkeypatch, *findings):
    """Have the key used while a person lifts what holds it back, once."""
    restrain = here.counters.restrain

    def restraining(restraint):
        restrain(restraint)
        if restraint.curb is Curb.NONE:
            monkeypatch.undo()
            here.take([counted(*findings, at=NOW + dt.timedelta(seconds=9))])

    monkeypatch.setattr(here.counters, "restrain", restraining)


def test_a_key_that_is_used_while_it_is_lifted_is_lifted(here, monkeypatch):
    here.take([counted(finding(ThreatLevel.HIGH))])
    meanwhile(here, monkeypatch)
    here.flow.lift(KEY, "eve", "it was us", NOW + dt.timedelta(minutes=1), is_owner=True)
    theft = here.flow.theft_journal.theft(KEY)

    assert (theft.ended_by, theft.sources[AWAY].requests) == ("eve", 2)


def test_what_is_found_while_a_key_is_lifted_is_for_a_person_to_look_at(here, monkeypatch):
    here.take([counted(finding(ThreatLevel.HIGH))])
    meanwhile(here, monkeypatch, finding(ThreatLevel.CRITICAL, NOW + dt.timedelta(seconds=9)))
    with pytest.raises(Conflict, match="more was found of"):
        here.flow.lift(KEY, "eve", "it was us", NOW + dt.timedelta(minutes=1), is_owner=True)

    assert here.flow.theft_journal.theft(KEY).is_open
    assert here.held().curb is Curb.BLOCK


def test_a_key_id_with_a_slash_names_its_incident_all_the_same(here):
    here.take([counted(finding(key="a/b"), key="a/b")])
    journal = here.flow.theft_journal

    assert journal.named("a/b").key_id == "a/b"
    assert journal.named(journal.named("a/b").name).key_id == "a/b"


def asked(here, at, message_id="lift-1", **more):
    data = msgspec.json.encode({"key_id": KEY, "by": "eve", "why": "it was us"} | more)
    return here.flow.on_usage(Event(message_id, at, data, {"task": "lift"}), at)


def test_a_person_without_a_way_to_the_counters_asks_the_function(here):
    here.take([counted(finding(ThreatLevel.CRITICAL))])
    later = NOW + dt.timedelta(minutes=5)
    said = asked(here, later).decision

    assert "is not held back any more; incident" in said
    assert here.held(at=later) is None
    assert "is known" in asked(here, later).decision


def test_a_lift_from_before_a_newer_incident_lifts_nothing(here):
    here.take([counted(finding(ThreatLevel.CRITICAL))])

    assert "too late" in asked(here, NOW - dt.timedelta(minutes=1)).decision
    assert here.held().curb is Curb.BLOCK


@pytest.mark.parametrize("more", [{"why": ""}, {"key_id": ""}, {"is_owner": "yes"}])
def test_a_lift_that_says_too_little_is_a_bad_event(here, more):
    with pytest.raises(BadEvent, match="the lift cannot be read"):
        asked(here, NOW, **more)


def test_a_throttle_ends_by_itself_and_the_incident_after_a_quiet_day(here):
    here.take([counted(finding(ThreatLevel.HIGH))])

    assert here.flow.end_quiet(NOW + dt.timedelta(hours=23)) == ()
    assert len(here.flow.end_quiet(NOW + dt.timedelta(hours=25))) == 1
    assert here.flow.end_quiet(NOW + dt.timedelta(hours=26)) == ()
    assert here.topics.alerts[-1].state is AlertState.ENDED
    assert here.held(at=NOW + dt.timedelta(hours=25)) is None


def test_what_is_found_while_quiet_incidents_end_is_an_incident_of_its_own(here, monkeypatch):
    for key in ("a", "b"):
        here.take([counted(finding(key=key), key=key)])
    later, end = NOW + dt.timedelta(hours=25), here.flow._finish

    def finish(kept, theft, *words):
        if theft.key_id == "a":
            found = counted(finding(ThreatLevel.CRITICAL, later, "b"), at=later, key="b")
            here.take([found], later)
        end(kept, theft, *words)

    flow = here.flow
    monkeypatch.setattr(flow, "_finish", finish)

    assert [name.partition("/")[0] for name in flow.end_quiet(later)] == ["a"]
    assert [theft.level for theft in flow.theft_journal.open_thefts()] == [ThreatLevel.CRITICAL]


def test_a_blocked_key_stays_an_incident_until_a_person_looks(here):
    here.take([counted(finding(ThreatLevel.CRITICAL))])

    assert here.flow.end_quiet(NOW + dt.timedelta(days=60)) == ()


def test_a_second_theft_is_a_second_incident_and_the_first_is_kept(here):
    here.take([counted(finding(ThreatLevel.HIGH))])
    first = here.flow.theft_journal.theft(KEY).name
    here.flow.lift(KEY, "eve", "done", NOW + dt.timedelta(hours=1), is_owner=False)
    later = NOW + dt.timedelta(hours=2)
    here.take([counted(finding(ThreatLevel.CRITICAL, later), at=later)], later)
    journal = here.flow.theft_journal

    assert journal.theft(KEY).name != first
    assert journal.named(first).ended_why == "done"
    assert journal.named(KEY).level is ThreatLevel.CRITICAL
    assert journal.named("unknown") is None


def test_what_was_served_meanwhile_is_kept_by_address(here):
    here.take([counted(finding(ThreatLevel.HIGH), path="/v1/models", status=200)])
    later = NOW + dt.timedelta(seconds=9)
    here.take([counted(at=later, path="/v1/files", status=403)], later)
    source = here.flow.theft_journal.theft(KEY).sources[AWAY]

    assert (source.requests, source.failed) == (2, 1)
    assert source.paths == ("/v1/models", "/v1/files")
    assert (source.first, source.last) == (NOW, later)


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ThreatLevel)), max_size=60))
def test_findings_in_any_order_and_number_make_one_bounded_incident(told):
    theft = None
    for minute, level in told:
        theft = absorbed(theft, finding(level, NOW + dt.timedelta(minutes=minute)), QUIET)

    if theft is not None:
        assert len(theft.findings) <= 30
        assert theft.level.rank == max(level.rank for _, level in told)
        assert due(theft, POLICY, NOW)


# --- every use is counted, in whatever order batches come ----------------------------------------

TRIED = [
    UsageEvent(at=NOW + dt.timedelta(milliseconds=5 * n), key_id=KEY, ip=AWAY, user_agent="sqlmap")
    for n in range(40)
]


def known_key():
    """An environment that knows what is usual for the key."""
    here = Here()
    for one in owned(14, per_hour=2):
        here.counters.observe(replace(one, key_id=KEY))
    return here


def served(here, address=AWAY):
    return here.flow.theft_journal.theft(KEY).sources[address].requests


def two_instances(size, *, swapped=False):
    """The batches of two instances that serve one thief in turn."""
    halves = [[TRIED[n::2][at : at + size] for at in range(0, 20, size)] for n in (0, 1)]
    for pair in zip(*halves, strict=True):
        yield from reversed(pair) if swapped else pair


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_no_use_of_a_thief_is_missing_in_the_incident(size, swapped):
    """A finding takes several strange uses: those before it came too early to be counted."""
    here = known_key()
    for batch in two_instances(size, swapped=swapped):
        here.take(batch, TRIED[-1].at)

    assert served(here) == 40


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(10)), st.lists(st.integers(0, 9), max_size=10), st.booleans())
def test_batches_in_any_order_and_repeated_count_every_use_once(order, again, is_down):
    here = known_key()
    here.topics.is_down = is_down
    for number in [*order, *again, *order]:
        try:
            here.take(TRIED[4 * number : 4 * number + 4], TRIED[-1].at, f"m{number}")
        except Unavailable:
            here.topics.is_down = False

    assert served(here) == 40


def test_two_batches_at_once_both_count(monkeypatch):
    """Each was read before the other was written."""
    here, get = known_key(), MemoryRecords.get
    waiting = [TRIED[20:]]

    def meanwhile(records, kind, name):
        found = get(records, kind, name)
        if kind == "thefts" and waiting:
            here.take(waiting.pop(), TRIED[-1].at)
        return found

    monkeypatch.setattr(MemoryRecords, "get", meanwhile)
    here.take(TRIED[:20], TRIED[-1].at)

    assert served(here) == 40


@pytest.mark.parametrize("step", ["keep_case", "step_begins", "step_ends", "keep_batch"])
def test_a_process_that_dies_at_any_step_is_followed_by_one_that_counts_on(step, monkeypatch):
    here = known_key()
    here.take(TRIED[:2], TRIED[-1].at)
    with monkeypatch.context() as dying:
        real = getattr(TheftJournal, step)

        def dies(*given):
            real(*given)
            raise SystemExit

        dying.setattr(TheftJournal, step, dies)
        with pytest.raises(SystemExit):
            here.take(TRIED[2:], TRIED[-1].at, "again")
    here.take(TRIED[2:], TRIED[-1].at, "again")

    assert served(here) == 40
    assert here.held(at=TRIED[-1].at).curb is Curb.BLOCK


def test_what_was_found_while_the_records_were_away_is_not_forgotten(monkeypatch):
    """The counters say a finding once; by the second delivery they have nothing more to say."""
    here = known_key()
    flow = here.flow
    monkeypatch.setattr(Here, "flow", flow)
    with monkeypatch.context() as away:
        away.setattr(MemoryRecords, "put", lambda *_: (_ for _ in ()).throw(Unavailable("away")))
        with pytest.raises(Unavailable, match="away"):
            here.take(TRIED, TRIED[-1].at, "again")
    here.take(TRIED, TRIED[-1].at + dt.timedelta(seconds=30), "again")

    assert here.held(at=TRIED[-1].at).curb is Curb.BLOCK
    assert served(here) == 40


def test_what_was_found_before_the_counters_went_away_is_not_forgotten(monkeypatch):
    here = known_key()
    flow, observe = here.flow, here.counters.observe
    monkeypatch.setattr(Here, "flow", flow)
    last = replace(TRIED[-1], at=TRIED[-1].at + dt.timedelta(seconds=1), key_id="other")

    def observing(one):
        if one.key_id == "other":
            raise Unavailable("away")
        return observe(one)

    with monkeypatch.context() as away:
        away.setattr(here.counters, "observe", observing)
        for _ in range(2):
            with pytest.raises(Unavailable, match="away"):
                here.take([*TRIED, last], last.at, "again")
    here.take([*TRIED, last], last.at, "again")

    assert here.held(at=last.at).curb is Curb.BLOCK


def test_strange_uses_that_a_shared_store_counted_belong_to_the_incident_too(here):
    early = [counted(at=NOW - dt.timedelta(seconds=n), strange=True) for n in (3, 2)]
    usual = counted(at=NOW - dt.timedelta(seconds=1))
    here.take([*early, usual])
    here.take([counted(finding())])

    assert served(here) == 3


def test_strange_uses_that_nothing_came_of_are_forgotten(here):
    """Six quiet hours end a run of strange use; so does a person who lifts the key."""
    for hours in (30, 22, 1):
        at = NOW - dt.timedelta(hours=hours)
        here.take([counted(at=at, strange=True)], at)
    assert here.flow.theft_journal.theft(KEY) is None
    here.take([counted(finding())])
    assert served(here) == 2

    later = NOW + dt.timedelta(hours=1)
    here.flow.lift(KEY, "eve", "it was us", later, is_owner=True)
    here.take([counted(at=NOW + dt.timedelta(minutes=59), strange=True)], later)
    here.take([counted(finding(at=later + dt.timedelta(minutes=1)), at=later)], later)
    assert AWAY not in here.flow.theft_journal.theft(KEY).sources


def test_more_addresses_than_are_kept_are_counted_together(here):
    here.take([counted(finding())])
    many = [replace(counted(), ip=f"10.0.0.{n}") for n in range(100)]
    here.take(many)
    sources = here.flow.theft_journal.theft(KEY).sources

    assert len(sources) == 31
    assert sum(source.requests for source in sources.values()) == 101


# --- what is usual for keys outlives the counters -------------------------------------------------


def usual(at=NOW - dt.timedelta(minutes=1)):
    """A use of the owner's."""
    return UsageEvent(at=at, key_id=KEY, ip=HOME, user_agent=AGENT, path=CALL)


def test_counters_that_lost_everything_are_told_what_was_usual():
    here = known_key()
    here.take([usual()])
    here.counters = open_counters("memory://", Options(place_of=PLACES.get))
    here.take(TRIED[:20], TRIED[-1].at)

    assert here.flow.theft_journal.theft(KEY).level is ThreatLevel.CRITICAL


@pytest.mark.parametrize(("seconds", "is_back"), [(30, False), (90, True)])
def test_a_block_that_the_counters_lost_is_put_back(here, seconds, is_back):
    """What was served right after it was only on its way when the block came."""
    here.take([counted(finding(ThreatLevel.CRITICAL))])
    here.counters = open_counters("memory://")
    at = NOW + dt.timedelta(seconds=seconds)
    here.take([counted(at=at)], at)

    assert (here.held(at=at) is not None) is is_back
    assert here.audit().count("HoldBack") == 1 + is_back


def test_a_block_that_is_put_back_is_new_and_ends_when_it_was_to_end():
    """Stores keep a block for as long as it spans; instances alarm by how old one is."""
    block = replace(POLICY.security.responses.critical, hours=24)
    responses = replace(POLICY.security.responses, critical=block)
    here = Here(replace(POLICY, security=replace(POLICY.security, responses=responses)))
    here.take([counted(finding(ThreatLevel.CRITICAL))])
    here.counters = open_counters("memory://")
    at = NOW + dt.timedelta(hours=23)
    here.take([counted(at=at)], at)
    held = here.held(at=at)

    assert (held.since, held.until) == (at.timestamp(), (NOW + QUIET).timestamp())


def test_a_key_that_began_anew_is_told_what_was_usual_before():
    here = known_key()
    here.take([usual()])
    before = here.counters.baseline(KEY)
    here.counters = open_counters("memory://", Options(place_of=PLACES.get))
    for hours in range(3):
        here.counters.observe(usual(NOW + dt.timedelta(hours=hours)).use)
    here.take([usual(NOW + dt.timedelta(hours=3))], NOW + dt.timedelta(hours=3))

    assert here.counters.baseline(KEY).since == before.since


def test_a_baseline_is_kept_when_hours_were_learned_and_looked_at_every_ten_minutes(monkeypatch):
    here, calls = known_key(), []
    flow = here.flow
    monkeypatch.setattr(Here, "flow", flow)
    get, put = MemoryRecords.get, MemoryRecords.put

    def counting(word, real):
        def call(records, kind, *more):
            if kind == "baselines":
                calls.append(word)
            return real(records, kind, *more)

        return call

    monkeypatch.setattr(MemoryRecords, "get", counting("get", get))
    monkeypatch.setattr(MemoryRecords, "put", counting("put", put))
    for minute in range(0, 10 * 60, 2):
        at = NOW + dt.timedelta(minutes=minute)
        here.take([usual(at)], at)

    assert (calls.count("get"), calls.count("put")) == (60, 3)


def test_baselines_that_cannot_be_looked_after_hold_up_nothing(here, monkeypatch, caplog):
    monkeypatch.setattr(
        here.counters, "baseline", lambda _: (_ for _ in ()).throw(Unavailable("no answer"))
    )
    here.take([counted(finding(ThreatLevel.CRITICAL))])

    assert here.held().curb is Curb.BLOCK
    assert "baselines are not looked after: no answer" in caplog.text


def test_few_keys_are_looked_after_at_once_and_made_up_ones_never(here, monkeypatch):
    looked = []
    monkeypatch.setattr(here.counters, "baseline", looked.append)
    here.take([replace(usual(), key_id=f"key-{n}", status=200 + n % 2 * 201) for n in range(300)])

    assert looked == [f"key-{n}" for n in range(0, 100, 2)]


def test_a_baseline_of_another_version_is_learned_anew_and_replaced():
    here = known_key()
    here.records.put("baselines", KEY, {"learned": {"since": "long ago"}}, None)
    here.take([usual()])

    kept = here.records.get("baselines", KEY).value["learned"]
    assert kept["since"] == here.counters.baseline(KEY).since


# --- a batch that comes again ---------------------------------------------------------------------


def test_the_uses_of_a_batch_are_counted_once_however_often_it_comes(here):
    here.topics.is_down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            here.take([counted(finding()), counted()], message_id="again")
    here.topics.is_down = False
    here.take([counted(finding()), counted()], message_id="again")
    here.take([counted()], message_id="another")

    assert here.flow.theft_journal.theft(KEY).sources[AWAY].requests == 3


def test_a_batch_in_two_messages_is_counted_once(here):
    """The answer to the first publish was lost, so it was published again."""
    for message_id in ("m1", "m2"):
        here.take([counted(finding()), counted()], message_id=message_id, batch="b1")
    here.take([counted()], message_id="m3", batch="b2")

    assert served(here) == 3


def test_two_batches_at_once_need_no_second_delivery(here):
    """A block and its alert must not wait for the back-off of a subscription."""
    publish = here.topics.publish

    def meanwhile(*message):
        here.topics.publish = publish
        here.take([counted(finding(ThreatLevel.CRITICAL))], message_id="other")
        return publish(*message)

    here.topics.publish = meanwhile
    here.take([counted(finding(ThreatLevel.HIGH))])
    theft = here.flow.theft_journal.theft(KEY)

    assert (theft.level, theft.restrained, theft.told) == (ThreatLevel.CRITICAL, 4, 4)
    assert theft.held.curb is Curb.BLOCK
    assert here.held().curb is Curb.BLOCK
    assert sorted(alert.level for alert in here.topics.alerts) == [Level.CRITICAL, Level.HIGH]
