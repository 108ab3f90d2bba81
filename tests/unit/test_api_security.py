# SPDX-License-Identifier: Apache-2.0
"""The replay contract, and strategy.md's class."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from threats import AGENT, AWAY, CALL, PLACES, START, owned, use
from twinguard.cli.api_security import app
from twinguard.cli.baselines import app as baselines
from twinguard.cli.security_monitor import APISecurityMonitor
from twinguard.decide.threats.values import ThreatLevel
from twinguard.errors import Misconfigured
from twinguard.peppers import Peppers

ROOT = Path(__file__).parents[2]
SECOND = 1 / 86400
PEPPERS = Peppers({"1": "p" * 32})
THEFT = [use(10.3 + 5 * n * SECOND, AWAY, "curl/8.1", CALL) for n in range(12)]


def line(one) -> str:
    return json.dumps(
        {
            "timestamp": one.at.isoformat().replace("+00:00", "Z"),
            "key_id": one.key_id,
            "ip": one.ip,
            "user_agent": one.user_agent,
            "path": one.path,
            "status": one.status,
        }
    )


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(line, [*owned(10), *THEFT])) + "\n")
    return path


@pytest.fixture
def geo(tmp_path):
    path = tmp_path / "geo.csv"
    rows = [f"{ip},{p.country},{p.network_kind},{p.operator}" for ip, p in PLACES.items()]
    path.write_text("\n".join(["ip,country,network_kind,operator", *rows]) + "\n")
    return path


def ran(*args: object):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def written(path):
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_a_replay_writes_what_it_found_at_the_event_that_showed_it(events, geo, tmp_path):
    output = tmp_path / "found.jsonl"
    done = ran("--replay", events, "--geo", geo, "--output", output)
    found = written(output)

    assert done.exit_code == 0, done.output
    assert {tuple(sorted(one)) for one in found} == {
        ("detector", "evidence", "key_id", "threat_level", "timestamp")
    }
    assert {one["threat_level"] for one in found} & {"HIGH", "CRITICAL"}
    assert {one["key_id"] for one in found} == {"key-1"}
    moments = {dt.datetime.fromisoformat(one["timestamp"]) for one in found}
    assert moments <= {one.at for one in THEFT}
    assert found[0]["evidence"]["new_countries"] == ["RU"]


def test_a_compressed_file_gives_the_same(events, geo, tmp_path):
    packed = tmp_path / "events.jsonl.gz"
    packed.write_bytes(gzip.compress(events.read_bytes()))
    plain, other = tmp_path / "plain.jsonl", tmp_path / "other.jsonl"
    ran("--replay", events, "--geo", geo, "--output", plain)
    done = ran("--replay", packed, "--geo", geo, "--output", other)

    assert done.exit_code == 0
    assert plain.read_bytes() == other.read_bytes() != b""


def test_keys_bring_their_quota(tmp_path):
    events, keys, output = (tmp_path / name for name in ("e.jsonl", "k.jsonl", "o.jsonl"))
    events.write_text("\n".join(line(use(n * SECOND / 2)) for n in range(150)) + "\n")
    keys.write_text('{"key_id":"key-1","environment":"ci","rate_limit_per_min":1000}\n')
    ran("--replay", events, "--output", output)
    without = written(output)
    done = ran("--replay", events, "--keys", keys, "--output", output)

    assert done.exit_code == 0
    assert [one["detector"] for one in without] == ["burst"]
    assert written(output) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "truncated"),
        ('{"timestamp":"2026-11-01T08:00:00Z"}', "key_id"),
        ('{"timestamp":"yesterday","key_id":"k"}', "RFC3339"),
        ('{"timestamp":"2026-11-01T08:00:00","key_id":"k"}', "no zone"),
        ("\udcff", "line 2"),
        ("[" * 100_000, "line 2"),
        ('{"timestamp":"2026-11-01T08:00:00Z","key_id":"k","status":1e999}', "line 2"),
    ],
)
def test_a_line_that_cannot_be_read_is_counted_or_refused_with_its_number(tmp_path, bad, why):
    events, output = tmp_path / "e.jsonl", tmp_path / "o.jsonl"
    text = f"{line(use(0))}\n{bad}\n{line(use(1))}\n"
    events.write_bytes(text.encode(errors="surrogateescape"))
    refused = ran("--replay", events, "--output", output, "--strict")
    counted = ran("--replay", events, "--output", output)

    assert refused.exit_code == 2
    assert f"{events}, line 2: " in refused.output
    assert why in refused.output
    assert counted.exit_code == 0
    assert "1 lines could not be read" in counted.output
    assert f"{events}, line 2: " in counted.output


def test_nobody_hides_behind_bytes_that_are_no_text(events, geo, tmp_path):
    """A thief's agent with a bad byte in it, and a status written as text."""
    plain, hostile = tmp_path / "plain.jsonl", tmp_path / "hostile.jsonl"
    ran("--replay", events, "--geo", geo, "--output", plain)
    changed = events.read_bytes().replace(b"curl/8.1", b"curl/8.1\xff\xfe")
    events.write_bytes(changed.replace(b'"status": 200', b'"status": "200"'))
    done = ran("--replay", events, "--geo", geo, "--output", hostile)

    assert done.exit_code == 0
    assert "could not be read" not in done.output
    levels = [one["threat_level"] for one in written(hostile)]
    assert levels == [one["threat_level"] for one in written(plain)] != []


def test_huge_agents_and_paths_are_short_in_what_is_written(tmp_path):
    events, output = tmp_path / "e.jsonl", tmp_path / "o.jsonl"
    big = [
        use(10.3 + n * SECOND, "x" * 90_000, f"Ü{n} " * 20_000, "/é" * 40_000) for n in range(20)
    ]
    events.write_text("\n".join(map(line, [*owned(10), *big])) + "\n")
    done = ran("--replay", events, "--output", output)

    assert done.exit_code == 0
    assert written(output) != []
    assert output.stat().st_size < 4000 * len(written(output))


def test_places_of_unknown_kinds_and_unreadable_letters_do_no_harm(events, tmp_path):
    geo, output = tmp_path / "geo.csv", tmp_path / "o.jsonl"
    geo.write_bytes(
        b"ip,country,network_kind,operator,note\n9.9.9.9,US,Residential_Proxy,Caf\xe9,x\n"
        b"5.5.5.5,RU,quantum,Bulletproof,y\nnot an address,,,,\n"
    )
    done = ran("--replay", events, "--geo", geo, "--output", output)

    assert done.exit_code == 0
    assert written(output)[0]["evidence"]["new_countries"] == ["RU"]


@pytest.mark.parametrize("harm", [lambda data: data[:-20], lambda data: data[:60] + b"\0" * 60])
def test_a_damaged_archive_is_named(events, tmp_path, harm):
    packed = tmp_path / "events.jsonl.gz"
    packed.write_bytes(harm(gzip.compress(events.read_bytes())))
    done = ran("--replay", packed, "--output", tmp_path / "o.jsonl")

    assert done.exit_code == 2
    assert f"{packed} cannot be read" in done.output


def test_a_geo_field_without_end_is_named(events, tmp_path):
    geo = tmp_path / "geo.csv"
    geo.write_text("ip,country,network_kind,operator\n9.9.9.9,US,hosting," + "x" * 200_000 + "\n")
    done = ran("--replay", events, "--geo", geo, "--report")

    assert done.exit_code == 2
    assert f"{geo} cannot be read" in done.output


def test_events_come_from_standard_input(events, geo, tmp_path):
    plain, piped = tmp_path / "plain.jsonl", tmp_path / "piped.jsonl"
    ran("--replay", events, "--geo", geo, "--output", plain)
    done = CliRunner().invoke(
        app,
        ["--replay", "-", "--geo", str(geo), "--output", str(piped)],
        input=events.read_bytes(),
    )

    assert done.exit_code == 0
    assert piped.read_bytes() == plain.read_bytes() != b""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "name what to read"),
        (["--replay", "none.jsonl", "--report"], "none.jsonl cannot be read"),
        (["--replay", "none.jsonl"], "--output DETECTIONS.jsonl"),
        (["--replay", "none.jsonl.gz", "--continuous"], "does not grow"),
        (["--api-key", "sk-xxxxx"], "rotate it"),
        (["--replay", "none.jsonl", "--api-key", "AIzaSy"], "standard input"),
        (["--replay", "none.jsonl", "--api-key", "ltk_live_0h3kq2m8x1nz"], "rotate it"),
        (["--replay", "-", "--api-key", "-"], "keep one"),
    ],
)
def test_what_is_missing_is_named(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = ran("--environment", "dev", *args)

    assert done.exit_code == 2
    assert message in done.output


def test_a_file_that_is_missing_is_named_once(tmp_path):
    done = ran("--replay", tmp_path / "none.jsonl", "--report")

    assert done.exit_code == 2
    assert done.output.replace("\n", "").endswith(
        "none.jsonl cannot be read: No such file or directory"
    )


def test_a_report_without_findings_has_no_table(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    done = ran("--replay", tmp_path / "empty.jsonl", "--report")

    assert done.output == "0 events, 0 findings: 0 CRITICAL, 0 HIGH, 0 MEDIUM, 0 LOW\n"


def test_a_geo_file_without_its_header_is_refused(events, tmp_path):
    geo = tmp_path / "geo.csv"
    geo.write_text("9.9.9.9,US,hosting,Acme\n")
    done = ran("--replay", events, "--geo", geo, "--report")

    assert done.exit_code == 2
    assert "the first line must be ip,country,network_kind,operator" in done.output


def test_a_key_is_reported_with_what_is_usual_for_it(events, geo):
    done = ran("--replay", events, "--geo", geo, "--api-key", "key-1", "--report")

    assert done.exit_code == 0
    assert '"typical_countries": [' in done.output
    assert "key-1" in done.output


def test_a_replay_starts_from_what_was_learned(events, geo, tmp_path):
    """The theft comes in a log of its own, where nothing is known of the key."""
    learned, theft, output = (tmp_path / name for name in ("b.jsonl", "t.jsonl", "o.jsonl"))
    theft.write_text("\n".join(map(line, THEFT)) + "\n")
    taught = [str(one) for one in ("learn", events, "--geo", geo, "--file", learned)]
    assert CliRunner().invoke(baselines, taught).exit_code == 0
    ran("--replay", theft, "--geo", geo, "--output", output)
    cold = written(output)
    done = ran("--replay", theft, "--geo", geo, "--baselines", learned, "--output", output)

    assert done.exit_code == 0
    assert cold == []
    assert {one["threat_level"] for one in written(output)} & {"HIGH", "CRITICAL"}


def test_a_raw_key_is_read_from_standard_input_and_never_shown(events, monkeypatch):
    monkeypatch.setenv("TWINGUARD_KEY_PEPPER", "1:" + "p" * 32)
    done = CliRunner().invoke(
        app, ["--replay", str(events), "--api-key", "-"], input="sk-secret-abcd\n"
    )

    assert done.exit_code == 0
    assert "sk-secret" not in done.output
    assert "0 findings" in done.output


def test_a_growing_file_is_followed(events, geo, tmp_path):
    """The theft is appended while the monitor reads."""
    log, output = tmp_path / "log.jsonl", tmp_path / "found.jsonl"
    log.write_text("\n".join(map(line, owned(10))) + "\n")
    script = ROOT / "scripts" / "api_security_monitor.py"
    command = [script, "--continuous", "--replay", log, "--geo", geo, "--output", output]
    with subprocess.Popen(
        [sys.executable, *map(str, command)], stderr=subprocess.PIPE, text=True
    ) as running:
        with log.open("a") as stream:
            stream.write("\n".join(map(line, THEFT)) + "\n")
        said = running.stderr.readline()
        running.terminate()

    assert "key-1" in said
    assert written(output)[0]["key_id"] == "key-1"


def test_the_class_of_strategy_md_blocks_what_stands_until_it_is_released():
    monitor = APISecurityMonitor("production", place_of=PLACES.get, key_id_of=PEPPERS.key_id)
    for one in owned(10):
        assert monitor.check_all_threats("sk-raw-1234", one.ip, AGENT, CALL, at=one.at) == ()
    for one in THEFT:
        monitor.check_all_threats("sk-raw-1234", one.ip, one.user_agent, one.path, at=one.at)
    later = START + dt.timedelta(days=10.31)
    events = monitor.check_all_threats("sk-raw-1234", "9.9.9.9", AGENT, CALL, at=later)

    key_id = PEPPERS.key_id("sk-raw-1234")
    assert events[0].threat_level in {ThreatLevel.HIGH, ThreatLevel.CRITICAL}
    assert events[0].key_id == key_id
    assert key_id.endswith("-1234")
    assert "sk-raw" not in repr(events)

    monitor.released(key_id)
    assert monitor.check_all_threats("sk-raw-1234", "9.9.9.9", AGENT, CALL, at=later) == ()


def test_the_class_refuses_to_work_without_a_pepper(monkeypatch):
    monkeypatch.delenv("TWINGUARD_KEY_PEPPER", raising=False)

    with pytest.raises(Misconfigured):
        APISecurityMonitor("production")


def test_lines_that_teach_nothing_are_told_and_never_take_the_place_of_what_is_known(tmp_path):
    log, file = tmp_path / "events.jsonl", tmp_path / "b.jsonl"
    log.write_text(line(use(0.1)) + "\n{\n")
    done = CliRunner().invoke(baselines, ["learn", str(log), "--file", str(file)])
    before = file.read_bytes()
    log.write_text("{\n[\n")
    refused = CliRunner().invoke(baselines, ["learn", str(log), "--file", str(file)])

    assert (done.exit_code, refused.exit_code) == (0, 2)
    assert f"1 lines are no event; first: {log}, line 2" in done.stderr
    assert f"no line is an event; {file} is left as it was" in refused.stderr
    assert file.read_bytes() == before


def test_who_asks_for_an_environment_hears_of_what_was_left_out(events, tmp_path):
    keys, args = tmp_path / "keys.jsonl", ("--replay", events, "--report")
    keys.write_text('{"key_id": "key-1", "environment": "staging"}\n')
    none = ran("--environment", "production", "--keys", keys, *args)
    all_ = ran("--environment", "staging", "--keys", keys, *args)

    read = len(events.read_text().splitlines())
    assert none.exit_code == all_.exit_code == 0
    assert f"all {read:,} events were left out: {keys} says that none is of production" in " ".join(
        none.stderr.split()
    )
    assert "left out" not in all_.stderr


def test_some_that_were_left_out_are_counted(events, tmp_path):
    keys = tmp_path / "keys.jsonl"
    keys.write_text('{"key_id": "key-2", "environment": "staging"}\n')
    with events.open("a") as more:
        more.write(line(use(10.4, key_id="key-2")) + "\n")
    done = ran("--environment", "ci", "--keys", keys, "--replay", events, "--report")

    assert "1 events of other environments were left out" in done.stderr
