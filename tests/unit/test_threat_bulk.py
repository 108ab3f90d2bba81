# SPDX-License-Identifier: Apache-2.0
"""Baselines learned from whole logs are those that are learned online, up to known differences."""

from __future__ import annotations

import gzip
import json

import pytest
import sqlglot
from typer.testing import CliRunner

from threats import AGENT, AWAY, CALL, HOME, PLACES, RUNNER, START, owned, seen, use, watching
from twinguard.billing.usage_hours import UsageFiles, UsageTable, statement
from twinguard.cli.baselines import app, read
from twinguard.decide.threats.baseline import NETWORK, VERSION, encoded
from twinguard.decide.threats.bulk import learned, poisoned
from twinguard.errors import Misconfigured

SECOND = 1 / 86400
THEFT = [use(14.3 + 5 * n * SECOND, AWAY, "curl/8.1", CALL) for n in range(40)]
LAST = use(21, AWAY, status=500)
"""Ends the last hour online; the log ends before it."""


def line(one) -> str:
    at = one.at.isoformat().replace("+00:00", "Z")
    fields = {"timestamp": at, "key_id": one.key_id, "ip": one.ip, "user_agent": one.user_agent}
    return json.dumps(fields | {"path": one.path, "status": one.status})


def logged(path, uses):
    path.write_bytes(gzip.compress("\n".join(map(line, uses)).encode()))
    return path


def busy():
    """An owner on two networks, at some hours, who fails now and then and asks for health."""
    more = [use(d + 0.4 + n / 2000, RUNNER) for d in range(14) for n in range(5)]
    odd = [use(d + 0.41, HOME, status=500) for d in range(14)]
    health = [use(d + 0.42, AWAY, "kube-probe/1.29", "/healthz") for d in range(14)]
    return sorted([*owned(14, hours=range(8, 20)), *more, *odd, *health], key=lambda one: one.at)


def test_a_log_teaches_what_the_same_uses_teach_one_by_one(tmp_path):
    uses = busy()
    online = watching([*uses, LAST])[0].baseline("key-1")
    path = logged(tmp_path / "e.jsonl.gz", uses)
    bulk = learned(UsageFiles([path]).hours(), PLACES.get)["key-1"]

    assert bulk.seen == online.seen
    assert bulk.week == online.week
    assert bulk.typical_hours == online.typical_hours
    same = ("since", "version", "through", "active", "new", "max_concurrent_ips")
    assert [getattr(bulk, name) for name in same] == [getattr(online, name) for name in same]
    assert bulk.avg_requests_per_hour == pytest.approx(online.avg_requests_per_hour, rel=0.02)
    # A quarter of the hour by the clock stands for the fifteen minutes before each request.
    assert bulk.several == pytest.approx(online.several, rel=0.1)
    for name in ("peak_hour", "peak_60", "peak_10"):
        assert getattr(bulk, name) <= getattr(online, name) * 1.02 + 1
        assert getattr(online, name) <= 2 * getattr(bulk, name)


def test_a_watch_that_starts_from_a_log_finds_the_theft_at_once(tmp_path):
    path = logged(tmp_path / "e.jsonl.gz", busy())
    known = learned(UsageFiles([path]).hours(), PLACES.get)
    watch, _ = watching([])
    cold = seen(watch, THEFT)
    warm = seen(type(watch)(place_of=PLACES.get, baselines=known), THEFT)

    assert max(f.threat_level.rank for f in warm) >= 3
    assert cold == []


def test_hours_around_a_finding_teach_nothing(tmp_path):
    watch, _ = watching(owned())
    findings = seen(watch, THEFT)
    path = logged(tmp_path / "e.jsonl.gz", [*owned(), *THEFT, *owned(20)[15 * 144 :]])
    trusting = learned(UsageFiles([path]).hours(), PLACES.get)["key-1"]
    wary = learned(UsageFiles([path]).hours(), PLACES.get, poisoned(findings))["key-1"]

    assert "bulletproof" in trusting.seen[NETWORK]
    assert "bulletproof" not in wary.seen[NETWORK]
    assert wary.through < int(THEFT[0].at.timestamp() // 3600) <= trusting.through


def test_hostile_logs_make_small_baselines(tmp_path):
    hostile = [
        use(n / 40, f"{'é' * 40}{n}", f"Ü{n} " * 900, f"/{'ß' * 200}{n}", key_id="k" * (n % 3))
        for n in range(1500)
    ]
    path = tmp_path / "e.jsonl"
    text = "\n".join(map(line, hostile)) + "\n{\n[]\nnull\n" + '{"key_id": 7}\n'
    path.write_bytes(text.encode() + b'{"key_id": "\xff"}\n')
    known = learned(UsageFiles([path]).hours())

    assert {"k", "kk"} <= set(known)
    assert all(len(encoded(one)) <= 4096 for one in known.values())


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_lines_that_are_no_event_are_counted_and_the_first_is_named(tmp_path, suffix):
    fine = logged(tmp_path / "a.jsonl.gz", busy())
    event = line(use(0.1))
    bad = ["{broken", "[]", '{"key_id": "k"}', '{"key_id": "k", "timestamp": "soon"}', event * 2]
    text = "\n".join([event, "", event, "  ", *bad, event]).encode()
    broken = tmp_path / f"b.{suffix}"
    broken.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    source = UsageFiles([fine, broken])
    requests = sum(group.requests for group in source.hours() if group.key_id == "key-1")

    assert (source.unreadable, source.first) == (5, f"{broken}, line 5")
    assert requests == len(list(busy())) + 3


def test_files_that_are_none_are_refused_in_words(tmp_path):
    path = tmp_path / "e.jsonl.gz"
    path.write_bytes(b"no gzip")

    with pytest.raises(Misconfigured, match="cannot be read"):
        list(UsageFiles([path]).hours())


def test_the_text_is_bigquerys_and_its_answers_are_read_as_they_come(tmp_path):
    class Canned(UsageTable):
        def _answers(self, asked):
            assert "`a-project.logs.events`" in asked.sql
            return ([str(cell) for cell in row] for row in rows)

    path = logged(tmp_path / "e.jsonl.gz", busy())
    offline = list(UsageFiles([path]).hours())
    rows = []
    for one in offline:
        quarters = [int(number in one.quarters) for number in range(4)]
        what = (one.key_id, one.hour, one.ip, one.user_agent, one.path, one.requests, one.fine)
        rows.append([*what, *quarters, one.peak_60, one.peak_10])

    assert list(Canned("a-project.logs.events").hours()) == offline
    assert len(sqlglot.parse(statement("p.d.t"), read="bigquery")) == 1
    with pytest.raises(Misconfigured, match="PROJECT"):
        UsageTable("events; DROP TABLE x")


def ran(*args: object):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_baselines_are_learned_shown_and_reset_by_command(tmp_path):
    log, file = logged(tmp_path / "e.jsonl.gz", owned(10)), tmp_path / "b.jsonl"
    done = ran("learn", log, "--file", file)
    shown = ran("show", "--key", "key-1", "--file", file)
    reset = ran("reset", "--key", "key-1", "--file", file)
    again = ran("show", "--key", "key-1", "--file", file)

    assert (done.exit_code, shown.exit_code, reset.exit_code, again.exit_code) == (0, 0, 0, 2)
    assert "1 baselines in" in done.output
    words = json.loads(shown.stdout)
    assert words["typical_ips"] == [HOME]
    assert words["typical_hours"] == list(range(24))
    assert words["learned"]["version"] == VERSION
    assert AGENT.split("/")[0] in json.dumps(words["learned"]["seen"])
    assert "no baseline of key-1" in again.output


def test_a_baseline_of_another_version_is_left_out(tmp_path):
    log, file = logged(tmp_path / "e.jsonl.gz", owned(3)), tmp_path / "b.jsonl"
    ran("learn", log, "--file", file)
    file.write_text(file.read_text().replace(f'"version":{VERSION}', f'"version":{VERSION + 1}'))

    assert read(file) == {}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["learn"], "name files of events"),
        (["learn", "none.jsonl"], "none.jsonl cannot be read"),
        (["show", "--key", "k", "--file", "none"], "none cannot be read"),
    ],
)
def test_what_is_missing_is_named(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = ran(*args)

    assert done.exit_code == 2
    assert message in done.output


def test_an_hour_is_whole_by_utc(tmp_path):
    path = logged(tmp_path / "e.jsonl.gz", [use(0), use(59.9 / 1440), use(1 / 24)])
    groups = list(UsageFiles([path]).hours())
    first = int(START.timestamp() // 3600)

    assert [(one.hour, one.requests) for one in groups] == [(first, 2), (first + 1, 1)]
    assert groups[0].quarters == (0, 3)
