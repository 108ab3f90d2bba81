# SPDX-License-Identifier: Apache-2.0
"""Keys held for theft on the security page: what is found, who is held, and how they are let go."""

from __future__ import annotations

import datetime as dt
import json
import re

import msgspec
import pytest

from fakes import MemoryRecords
from threats import AWAY
from twinguard.baseline_records import KIND as BASELINES
from twinguard.decide.incidents import Incident
from twinguard.decide.restraints import Curb
from twinguard.decide.threats.baseline import Baseline
from twinguard.decide.threats.values import Detector, Finding, ThreatLevel
from twinguard.errors import Unavailable
from twinguard.flow import Ports
from twinguard.parse import Event
from twinguard.state.counters import Options
from twinguard.state.counters_memory import MemoryCounters
from twinguard.theft_flow import TheftFlow
from twinguard.theft_lifts import Lifting
from twinguard.usage import LIFT, UsageEvent, encoded
from twinguard.web.dashboard import actions
from twinguard.web.dashboard.asked import Kind, Said
from twinguard.web.dashboard.board import Board
from twinguard.web.dashboard.findings_file import FindingsFile
from twinguard.web.dashboard.security import RecordedSecurity
from twinguard.web.dashboard.security_view import theft_name
from twinguard.web.dashboard.theft_findings import TheftFindings, merged
from twinguard.web.dashboard.watched import Watched
from world import POLICY

KEY = "0123456789abcdef-7777"
NOW = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
SAID = Said("ada", "the key was replaced")


class Topics:
    """Keeps what is published; refuses while `is_down`."""

    def __init__(self):
        self.sent, self.is_down = [], False

    def publish(self, topic, data, attributes):
        if self.is_down:
            raise Unavailable("the topic does not answer")
        self.sent.append((topic, json.loads(data), dict(attributes)))
        return "1"


class Counters(MemoryCounters):
    """Remembers what it was asked to hold back or let go."""

    asked = ()

    def restrain(self, restraint):
        self.asked = (*self.asked, restraint)
        super().restrain(restraint)


class Here:
    """An environment whose dashboard sits near the counters, or far from them."""

    def __init__(self, *, topic="", is_lost=False):
        self.records, self.topics = MemoryRecords(), Topics()
        self.ports = Ports(self.records, {}, None, self.topics, "alerts")
        self.counters = Counters(Options())
        self.flow = TheftFlow(POLICY, self.ports, self.counters)
        self.security = RecordedSecurity(POLICY, self.records, None)
        far = TheftFlow(POLICY, self.ports, None)
        lifting = Lifting(far if topic else self.flow, topic)
        self.watched = Watched(
            POLICY,
            self.ports,
            None,
            None,
            self.security,
            lambda: NOW,
            tells=True,
            lifting=None if is_lost else lifting,
        )

    def steal(self, level=ThreatLevel.CRITICAL, key=KEY, at=NOW):
        told = {"reasons": {"new_source": 9.5}, "address": AWAY}
        found = Finding(at, key, Detector.BURST, level, told)
        event = UsageEvent(at=at, key_id=key, ip=AWAY, counted=True, findings=(found,))
        number = f"{key}{at}"
        return self.flow.on_usage(Event(number, NOW, encoded([event]), {}), NOW)

    def plan(self, key=KEY):
        return actions.plan(self.watched, Kind.UNBLOCK, key, "ada", NOW)

    def unblock(self, said=SAID):
        begun = actions.carry_out(self.watched, Kind.UNBLOCK, KEY, said, NOW)
        (ended,) = self.records.find("audit", begun=begun)
        return self.records.get("audit", begun).value, ended.value


def line(number: int, at: dt.datetime) -> str:
    told = {"timestamp": at.isoformat(), "key_id": f"k{number}", "detector": "burst"}
    return json.dumps(told | {"threat_level": "LOW", "evidence": {}}) + "\n"


# --- who is held ---------------------------------------------------------------------------------


def test_a_blocked_and_a_throttled_key_are_listed_with_age_reason_and_limit():
    here = Here()
    here.steal(key="blocked-1")
    here.steal(ThreatLevel.MEDIUM, key="slow-1")

    (blocked,), (slow,) = here.security.blocked(), here.security.throttled()

    assert (blocked.key_id, blocked.since, blocked.limit) == ("blocked-1", NOW, "")
    assert (blocked.reason, blocked.by, blocked.act) == ("CRITICAL: burst", "detection", "unblock")
    assert slow.key_id == "slow-1"
    assert re.fullmatch(r"10 a minute, ends in \d+ (minutes|hours)", slow.limit)


@pytest.mark.parametrize("how", ["its hours are over", "it was lifted", "it is only watched"])
def test_a_key_that_nothing_holds_any_more_is_not_listed(how):
    here = Here()
    match how:
        case "its hours are over":
            here.steal(ThreatLevel.MEDIUM, at=NOW - dt.timedelta(hours=2))
        case "it was lifted":
            here.steal()
            here.flow.lift(KEY, "ada", "replaced", NOW, is_owner=False)
        case _:
            here.steal(ThreatLevel.LOW)

    assert (here.security.blocked(), here.security.throttled()) == ((), ())


# --- what was found ------------------------------------------------------------------------------


def test_findings_of_thefts_and_of_a_file_are_one_list_in_order_of_time(tmp_path):
    here, second = Here(), dt.timedelta(seconds=1)
    path = tmp_path / "findings.jsonl"
    path.write_text(line(1, NOW - second) + line(2, NOW + second))
    here.steal()

    board = Board(RecordedSecurity(POLICY, here.records, FindingsFile(path)))
    found = board.poll()

    assert [one.key_id for one in found] == ["k1", KEY, "k2"]
    assert [one.id for one in found] == sorted(one.id for one in found)
    assert found[1].facts["address"] == AWAY
    assert board.poll() == ()


def test_a_finding_that_is_known_late_still_comes_after_those_before(tmp_path):
    here, path = Here(), tmp_path / "findings.jsonl"
    file = FindingsFile(path)
    found = TheftFindings(here.flow.theft_journal, file, fresh=0)
    path.write_text(line(1, NOW))
    here.steal(key="first")
    before = merged(file, found, "", 10)
    path.write_text(path.read_text() + line(2, NOW))
    here.steal(key="late", at=NOW - dt.timedelta(minutes=9))

    after = merged(file, found, before[-1][0], 10)

    assert {one.key_id for _, one in after} == {"late", "k2"}
    ids = [name for name, _ in (*before, *after)]
    assert ids == sorted(set(ids))
    assert merged(file, found, after[-1][0], 10) == ()


def test_a_baseline_is_the_records_where_nobody_knows_a_newer_one():
    here = Here()
    learned, newer = Baseline(since=7, active=3.0), Baseline(since=7, active=4.0)
    here.records.put(BASELINES, KEY, {"learned": msgspec.to_builtins(learned)}, None)
    near = RecordedSecurity(POLICY, here.records, None, {KEY: newer}.get)

    assert here.security.baseline(KEY) == learned
    assert near.baseline(KEY) == newer
    assert near.baseline("nobody") is None
    assert here.security.baseline("x" * 3_000) is None


@pytest.mark.parametrize("first", ["file", "theft", "neither"])
def test_what_the_monitor_and_on_usage_both_found_is_listed_once(tmp_path, first):
    here, path = Here(), tmp_path / "findings.jsonl"
    file = FindingsFile(path)
    found = TheftFindings(here.flow.theft_journal, file, fresh=0)
    same = line(1, NOW).replace("k1", KEY)
    seen = []

    def look():
        seen.extend(merged(file, found, seen[-1][0] if seen else "", 10))

    steps = [lambda: path.write_text(same), here.steal]
    for step in reversed(steps) if first == "theft" else steps:
        step()
        if first != "neither":
            look()
    path.write_text(path.read_text() + line(2, NOW))
    look()

    assert [one.key_id for _, one in seen] == [KEY, "k2"]
    assert [name for name, _ in seen] == sorted({name for name, _ in seen})


def test_only_so_many_of_the_newest_are_handed_out():
    here = Here()
    for number in range(4):
        here.steal(key=f"k{number}", at=NOW + number * dt.timedelta(seconds=1))

    found = here.security.findings("", 2)

    assert [one.key_id for one in found] == ["k2", "k3"]


def test_an_alert_about_a_theft_names_it_and_others_name_none():
    assert theft_name(Incident(id=f"staging/theft/{KEY}/2026")) == f"{KEY}/2026"
    assert theft_name(Incident(id="staging/cap/environment")) == ""
    assert theft_name(Incident(id="odd")) == ""


# --- unblock -------------------------------------------------------------------------------------


def test_a_plan_says_what_ends_and_asks_for_the_owner():
    here = Here()
    here.steal()
    plan = here.plan()

    assert plan.lines[0] == f"lift the block of {KEY} on every instance"
    assert plan.lines[1].startswith(f"end incident {KEY}/")
    assert (plan.refusal, plan.asks_owner) == ("", True)


@pytest.mark.parametrize("is_owner", [True, False])
def test_near_the_counters_a_key_is_let_go_at_once_and_audited(is_owner):
    here = Here()
    here.steal()
    begun, ended = here.unblock(Said("ada", "found and fixed", is_owner))

    held = here.counters.asked[-1]
    assert (held.curb, held.is_owner, held.by) == (Curb.NONE, is_owner, "ada")
    assert (begun["action"], begun["detail"]) == ("UnblockByHand", "found and fixed")
    assert (ended["outcome"], "is over" in ended["detail"]) == ("done", True)
    assert here.flow.theft_journal.open_thefts() == ()


def test_far_from_the_counters_on_usage_is_asked_in_the_same_words():
    here = Here(topic="usage-events")
    here.steal()
    _, ended = here.unblock()

    topic, asked, attributes = here.topics.sent[-1]
    assert (topic, attributes) == ("usage-events", {"task": LIFT})
    assert (asked["key_id"], asked["by"], asked["why"]) == (KEY, "ada", SAID.reason)
    assert "on_usage is asked" in ended["detail"]


def test_what_fails_is_audited_as_failed():
    here = Here(topic="usage-events")
    here.steal()
    here.topics.is_down = True

    _, ended = here.unblock()

    assert (ended["outcome"], ended["detail"]) == ("failed", "the topic does not answer")


def test_without_a_way_to_the_counters_the_plan_says_what_to_set():
    here = Here(is_lost=True)
    here.steal()

    assert "TWINGUARD_COUNTERS" in here.plan().refusal
    _, ended = here.unblock()
    assert ended["outcome"] == "failed"


@pytest.mark.parametrize("key", ["42", "x" * 3_000, f"{KEY}/2026-11-20T10-30-15"])
def test_what_names_no_key_that_is_held_changes_nothing(key):
    here = Here()
    here.steal()
    actions.carry_out(here.watched, Kind.UNBLOCK, key, SAID, NOW)

    assert "no incident" in here.plan(key).refusal
    assert here.counters.asked[-1].curb is Curb.BLOCK
    assert len(here.flow.theft_journal.open_thefts()) == 1
