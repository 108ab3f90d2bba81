# SPDX-License-Identifier: Apache-2.0
"""`kill -9` before every single call of a rotation that changes something, then the task again.

With the records in SQLite and in the Firestore emulator.
Dead after one call is dead before the next: nothing that the process still knew counts."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from rotating import ALERTS, DAY, MAPS, NOW, OPENAI, attributes, cloud, only, task
from twinguard import config
from twinguard.decide.keys import LEASE, Step
from twinguard.errors import Unavailable
from twinguard.parse import Event
from twinguard.standins.openai_admin import ADMIN_KEY
from twinguard.standins.server import Fault
from twinguard.state import open_records
from twinguard.wiring import start

pytestmark = pytest.mark.timeout(400)

POLICY = only(OPENAI)
KEYS = f"projects/{POLICY.project.id}/locations/global/keys"
KINDS = ("rotations", "audit")
SERVERS = ("FIRESTORE_EMULATOR_HOST",)
LATER = LEASE + dt.timedelta(minutes=1)


@pytest.fixture
def nursery():
    """A process that forks mortal ones."""
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": str(root / "functions"), "GRPC_ENABLE_FORK_SUPPORT": "0"}
    command = [sys.executable, str(Path(__file__).with_name("nursery.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        yield process
        process.stdin.close()
        process.wait(10)


@pytest.fixture
def memory():
    """A folder in memory where there is one: what a killed process wrote survives there too."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "firestore"])
def store(request):
    """Where the records of a world are, by its number."""
    if request.param == "sqlite":
        folder = request.getfixturevalue("memory")
        return lambda number: f"sqlite:///{folder}/{number}.db"
    request.getfixturevalue("firestore_server")
    project = request.getfixturevalue("project")
    return lambda number: f"firestore://{project}-{number}/(default)"


def lives(nursery, cloud, now, dies_at, policy=POLICY):
    """One run of the task in a fresh process that dies before a call, if there are as many."""
    cloud.pipeline(now)
    event = [f"rotate-{dies_at}", now.isoformat(), "", {"task": "rotate"}]
    order = {
        "env": cloud.env | {name: os.environ[name] for name in SERVERS if name in os.environ},
        "policy": config.render(policy),
        "events": [event],
        "dies_at": dies_at,
    }
    nursery.stdin.write(json.dumps(order) + "\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


def survives(nursery, store, begins, dies_now, refuses=""):
    """Kill before call 1, 2, 3 … of a run, after earlier ones; yield where it died."""
    for dies_at in range(1, 200):
        with cloud(store(dies_at), POLICY) as here:
            here.openai.refuses = {refuses} - {""}
            for at in begins:
                with contextlib.suppress(Unavailable):
                    here.rotate(at)
            status = lives(nursery, here, dies_now, dies_at)
            if status == 0:
                assert dies_at > 10  # the loop ends because no call is left, not at once
                return
            assert status == -9
            yield here


def works(here):
    """True while whoever reads the secret gets a key that OpenAI takes."""
    value = here.read() or here.google.secrets.read(here.secret(), "latest").decode()
    return here.openai.works(value)


def check_never_without(here):
    assert works(here)
    assert len(here.openai.keys) <= 2


def check_done(here):
    """One key, a new one; the old one dead, and its value on its way out."""
    (key,) = here.openai.keys.values()
    assert key.name.startswith("twinguard-staging-openai-api-key-")
    assert works(here)
    assert here.state().step is Step.IDLE
    assert here.state().olds == ()
    states = here.states()
    assert states[1] == "ENDING"
    assert states[here.state().current.version] == "ENABLED"
    assert here.read() == key.value
    assert here.told() == []
    check_audit(here)
    check_no_raw_key(here)


def check_audit(here):
    """Every step that was begun was ended, but for the one that a death cut off."""
    entries = open_records(here.records).find("audit")
    ended = {entry.value["begun"] for entry in entries if entry.value["phase"] == "ended"}
    begun = [entry for entry in entries if entry.value["phase"] == "begun"]
    assert len([entry for entry in begun if entry.id not in ended]) <= 1


def kept(records):
    """Every byte of a store in files, or every record of one that has none."""
    if records.startswith("sqlite:///"):
        path = Path(records.removeprefix("sqlite:///"))
        return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
    found = open_records(records)
    return repr([(one.id, one.value) for k in KINDS for one in found.find(k)]).encode()


def check_no_raw_key(here):
    """No value stands in the store, its log, or an alert: not even one that was lost."""
    written = kept(here.records)
    heard = b"".join(m.data for m in here.google.pubsub.backlog(ALERTS))
    for value in here.openai.made:
        assert value.encode() not in written
        assert POLICY.environment.encode() in written  # it was looked into
        assert value.encode() not in heard


def test_killed_anywhere_until_the_overlap_it_goes_on_and_ends_the_old_key(nursery, store):
    """OpenAI tells a value once: a key whose value died is deleted before another is made."""
    lost = 0
    for here in survives(nursery, store, [], NOW):
        check_never_without(here)
        before = set(here.openai.keys)
        here.rotate(NOW + LATER)
        gone = before - set(here.openai.keys)

        check_never_without(here)
        if gone:
            asked = [(call.method, call.path.rsplit("/", 1)[1]) for call in here.openai.exchanges]
            made = [at for at, call in enumerate(asked) if call == ("POST", "api_keys")]
            assert made[0] < asked.index(("DELETE", gone.pop())) < made[1]
            lost += 1
        here.rotate(NOW + LATER + DAY)
        check_done(here)
    assert lost == 2  # before its id was recorded, and before its value was in a version


def test_killed_anywhere_after_the_overlap_it_still_ends_the_old_key(nursery, store):
    for here in survives(nursery, store, [NOW], NOW + DAY):
        check_never_without(here)
        here.rotate(NOW + DAY + LATER)

        check_done(here)


def test_killed_anywhere_while_a_refused_key_is_taken_back_the_old_one_is_untouched(nursery, store):
    for here in survives(nursery, store, [NOW], NOW + LATER, refuses="twinguard-"):
        check_never_without(here)
        here.rotate(NOW + 2 * LATER)

        assert list(here.openai.keys) == ["key_1"]
        assert here.states() == {1: "ENABLED", 2: "ENDING"}
        assert works(here)
        assert set(here.told()) == {("staging/rotation/openai-api-key/1", "opened")}
        check_audit(here)
        check_no_raw_key(here)


def test_killed_anywhere_a_google_key_is_replaced_and_never_missed(nursery, memory):
    """Between two days of the task, and with the next run after each death."""
    policy, survived = only(MAPS), 0
    for dies_at in range(1, 200):
        with cloud(f"sqlite:///{memory}/{dies_at}.db", policy) as here:
            keys = here.google.api_keys
            here.add_secret(MAPS, keys.add(f"{KEYS}/by-hand"), age=100)
            status = lives(nursery, here, NOW, dies_at, policy)
            for number in range(4):
                alive = [key for key in keys.keys.values() if "deleteTime" not in key]
                value = here.read(MAPS) or here.google.secrets.read(here.secret(MAPS), "latest")
                assert keys.works(value if isinstance(value, str) else value.decode())
                assert len(alive) <= 2
                here.rotate(NOW + LATER + number * DAY)
            (last,) = [name for name, key in keys.keys.items() if "deleteTime" not in key]
            assert keys.values[last] == here.read(MAPS)
            assert here.state(MAPS).step is Step.IDLE
            assert here.told() == []
            survived += 1
        if status == 0:
            break
    assert survived > 15


def test_two_that_start_at_once_do_the_work_once(store):
    with cloud(store("two"), POLICY) as here:
        outcomes = []
        start = threading.Barrier(2)

        def one():
            pipeline = here.pipeline()
            start.wait(10)
            try:
                outcomes.append(pipeline.on_schedule(task(NOW), NOW).decision)
            except Unavailable as err:
                outcomes.append(str(err))

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        here.rotate(NOW + DAY)

        assert len(outcomes) == 2
        assert len(here.openai.made) == 2  # the one by hand, and one
        assert here.states() == {1: "ENDING", 2: "ENABLED"}


def test_a_new_key_that_openai_refuses_leaves_the_old_one_and_tells_people(memory):
    with cloud(f"sqlite:///{memory}/refused.db", POLICY) as here:
        here.openai.refuses.add("twinguard-")
        with pytest.raises(Unavailable, match="not accepted yet"):
            here.rotate(NOW)
        waiting = (works(here), sorted(here.openai.keys))
        here.rotate(NOW + LATER)
        refused = (works(here), sorted(here.openai.keys), here.told())
        here.openai.refuses.clear()
        here.rotate(NOW + LATER + DAY)
        incident = "staging/rotation/openai-api-key/1"

        assert waiting == (True, ["key_1", "key_2"])
        assert refused == (True, ["key_1"], [(incident, "opened")])
        assert here.told() == [(incident, "opened"), (incident, "ended")]
        assert here.read() == here.openai.keys["key_3"].value
        check_no_raw_key(here)


def test_an_answer_that_is_lost_on_its_way_is_no_second_key(memory):
    with cloud(f"sqlite:///{memory}/lost.db", POLICY) as here:
        here.openai.fail(Fault(lose_answer=True), method="POST", path="/api_keys")
        with pytest.raises(Unavailable, match="no answer"):
            here.rotate(NOW)
        here.google.fail(Fault(lose_answer=True), path=":addVersion")
        with pytest.raises(Unavailable, match="no answer"):
            here.rotate(NOW + LATER)
        here.rotate(NOW + 2 * LATER)
        here.rotate(NOW + 2 * LATER + DAY)

        assert len(here.openai.made) == 3
        assert here.states() == {1: "ENDING", 2: "ENABLED"}
        check_done(here)


def pushed(event):
    """A push request of Pub/Sub with this event."""
    message = {
        "messageId": event.message_id,
        "publishTime": event.published_at.isoformat(),
        "attributes": event.attributes,
    }
    return Request(EnvironBuilder(method="POST", json={"message": message}).get_environ())


def test_a_whole_rotation_says_no_raw_key_to_anybody(memory, capfd):
    """Not in the store, an alert, an answer, a log line, or what a process was started with."""
    with cloud(f"sqlite:///{memory}/whole.db", POLICY) as here:
        settings = {"TWINGUARD_POLICY": config.render(POLICY), "TWINGUARD_CLOCK": "event"}
        schedule = start(here.env | settings, "on_schedule")
        secrets = start(here.env | settings, "on_secret_event")
        turn = Event("1", NOW, b"", attributes("SECRET_ROTATE", f"staging-{OPENAI}"))
        here.openai.fail(Fault(code=500), method="POST", path="/service_accounts")
        answers = [secrets(pushed(turn)), secrets(pushed(turn))]
        here.pipeline(NOW + DAY)  # OpenAI's clock
        answers.append(schedule(pushed(task(NOW + DAY))))
        pipeline = here.pipeline(NOW + DAY)
        pipeline.keys.block(OPENAI, "ann", NOW + DAY)
        said = (answers, here.state(), pipeline.ports, sys.argv, *capfd.readouterr())

        assert [(answer["outcome"], status) for answer, status in answers] == [
            ("retry", 503),
            ("done", 200),
            ("done", 200),
        ]
        assert not [value for value in here.openai.made if value in repr(said)]
        assert ADMIN_KEY not in repr(said)
        check_no_raw_key(here)
