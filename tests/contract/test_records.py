# SPDX-License-Identifier: Apache-2.0
"""What every store of records promises, over SQLite (file, memory), Firestore and the double.

The promises are written in `twinguard/state/document.py`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes import MemoryRecords
from servers import free_port
from twinguard.errors import BadEvent, Conflict, Misconfigured, Unavailable
from twinguard.ports import Records, Stored
from twinguard.state import open_records
from twinguard.state.document import LARGEST, SEARCHABLE
from twinguard.state.firestore import FirestoreRecords
from twinguard.state.firestore_layout import OrderedIds, document_for, name_for

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MOMENT = dt.timedelta(microseconds=1)


@pytest.fixture(params=["file", "memory", "double", "firestore"])
def opened(request, tmp_path) -> Callable[[], Records]:
    """Opens the same store as often as it is called, as several instances would."""
    if request.param == "firestore":
        request.getfixturevalue("firestore_server")
        url = f"firestore://{request.getfixturevalue('project')}/(default)"
        return lambda: open_records(url)
    if request.param == "file":
        return lambda: open_records(f"sqlite:///{tmp_path / 'records.db'}")
    only = MemoryRecords() if request.param == "double" else open_records("sqlite://")
    return lambda: only


@pytest.fixture
def records(opened) -> Records:
    return opened()


# --- one record ----------------------------------------------------------------------------------


def test_what_was_never_written_is_none(records):
    assert records.get("budget", "b1") is None


def test_a_created_record_is_read_back_with_its_version(records):
    created = records.put("budget", "b1", {"cost": "12.50"}, None)

    assert created == Stored("b1", {"cost": "12.50"}, created.version)
    assert records.get("budget", "b1") == created


def test_another_instance_sees_what_was_written(opened):
    created = opened().put("budget", "b1", {"cost": "12.50"}, None)

    assert opened().get("budget", "b1") == created


def test_kinds_do_not_see_each_others_records(records):
    records.put("budget", "b1", {"cost": "1"}, None)

    assert records.get("hold", "b1") is None
    assert records.find("hold") == ()


def test_creating_twice_is_a_conflict_and_changes_nothing(records):
    first = records.put("budget", "b1", {"cost": "1"}, None)

    with pytest.raises(Conflict):
        records.put("budget", "b1", {"cost": "2"}, None)
    assert records.get("budget", "b1") == first


def test_writing_over_the_version_read_replaces_the_whole_value(records):
    first = records.put("budget", "b1", {"cost": "1", "open": {"a": True, "b": True}}, None)

    second = records.put("budget", "b1", {"open": {"c": True}}, first.version)

    assert second == Stored("b1", {"open": {"c": True}}, second.version)
    assert second.version != first.version
    assert records.get("budget", "b1") == second


def test_writing_over_an_older_version_is_a_conflict_and_changes_nothing(records):
    first = records.put("budget", "b1", {"cost": "1"}, None)
    second = records.put("budget", "b1", {"cost": "2"}, first.version)

    with pytest.raises(Conflict):
        records.put("budget", "b1", {"cost": "3"}, first.version)
    assert records.get("budget", "b1") == second


def test_a_write_that_changes_nothing_still_changes_the_version(records):
    first = records.put("budget", "b1", {"cost": "1"}, None)

    second = records.put("budget", "b1", {"cost": "1"}, first.version)

    assert second.version != first.version
    with pytest.raises(Conflict):
        records.put("budget", "b1", {"cost": "1"}, first.version)


def test_writing_over_a_record_that_is_gone_is_a_conflict(records):
    first = records.put("budget", "b1", {"cost": "1"}, None, expires=NOON)
    records.purge(NOON + MOMENT)

    with pytest.raises(Conflict):
        records.put("budget", "b1", {"cost": "2"}, first.version)
    assert records.get("budget", "b1") is None


def test_a_version_of_a_record_that_was_deleted_does_not_fit_its_successor(records):
    first = records.put("budget", "b1", {"cost": "1"}, None, expires=NOON)
    records.purge(NOON + MOMENT)
    records.put("budget", "b1", {"cost": "1"}, None)

    with pytest.raises(Conflict):
        records.put("budget", "b1", {"cost": "2"}, first.version)


def test_a_version_that_never_was_is_a_conflict(records):
    records.put("budget", "b1", {"cost": "1"}, None)

    with pytest.raises(Conflict):
        records.put("budget", "b1", {"cost": "2"}, "no such version")


# --- values and ids ------------------------------------------------------------------------------

VALUES = {
    "empty": {},
    "numbers": {"int": 0, "big": 2**53, "bigger": 2**70, "minus": -7, "float": 1.0, "tiny": 5e-324},
    "flags": {"yes": True, "no": False, "one": 1, "nothing": None},
    "containers": {"map": {}, "list": [], "deep": [[], [[1], {"a": [None]}], {}]},
    "names": {"": "empty", "a.b": 1, "__x__": 2, "`": 3, "0": 4, "naïve": {"": {"a.b": 1}}},
    "texts": {"unicode": "größer 🛑 \u202e", "control": "\x00\x1f\r\n", "quotes": "'\"\\"},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_comes_back_exactly(records, value):
    put = records.put("budget", "b1", value, None)

    got = records.get("budget", "b1")

    assert repr(got.value) == repr(put.value) == repr(value)  # repr tells 1, 1.0 and True apart


def test_a_value_is_not_shared_with_the_caller(records):
    value = {"open": ["a"]}
    put = records.put("budget", "b1", value, None)
    value["open"].append("b")

    assert put.value == {"open": ["a"]}
    assert records.get("budget", "b1").value == {"open": ["a"]}


IDS = [
    *("projects/p/locations/l/services/s", "/", "//", "a/", ".", "..", "...", "__x__", "__", "_"),
    *("%2F", "%", "%~", "a b", " ", "größer", "🛑", "ﬁ", "e\u0301", "\u00e9", "\x00", "\x7f\n"),
    *("'; DROP TABLE records; --", "x" * 400, "/" * 400, "🛑" * 400, "🛑" * 399 + "!"),
]


def test_every_text_is_an_id_of_its_own(records):
    for name in IDS:
        records.put("hold", name, {"is": name}, None)

    got = {name: records.get("hold", name).value for name in IDS}

    assert got == {name: {"is": name} for name in IDS}
    assert [stored.id for stored in records.find("hold")] == sorted(IDS)


@pytest.mark.parametrize("id", ["", "x" * 401, "\ud800"], ids=["empty", "long", "surrogate"])
def test_an_id_no_store_can_hold_is_a_bad_event(records, id):
    with pytest.raises(BadEvent, match="of a hold record"):
        records.get("hold", id)
    with pytest.raises(BadEvent, match="of a hold record"):
        records.put("hold", id, {}, None)


@pytest.mark.parametrize("kind", ["", "Hold", "a/b", "__x__", "a b", "hold\n"])
def test_a_kind_that_is_no_lower_case_word_is_a_mistake(records, kind):
    with pytest.raises(ValueError, match="lower-case word"):
        records.put(kind, "h1", {}, None)
    with pytest.raises(ValueError, match="lower-case word"):
        records.find(kind)


def test_the_largest_value_is_kept_under_the_longest_id(records):
    value = {f"f{n:04d}": "" for n in range(SEARCHABLE // 7)}
    room = LARGEST - len(json.dumps({**value, "text": ""}, separators=(",", ":")))
    value["text"] = "ä" * (room // 2)

    records.put("report", "🛑" * 375, value, None)

    assert records.get("report", "🛑" * 375).value == value


TOO_MUCH = {
    "large": ({"text": "x" * LARGEST}, f"over the limit of {LARGEST}"),
    "wide": ({f"k{i}": "x" * 1_000 for i in range(SEARCHABLE // 1_000)}, "one level down"),
    "nan": ({"n": float("nan")}, "cannot be kept as JSON"),
    "surrogate": ({"t": "\ud800"}, "cannot be kept as JSON"),
}


@pytest.mark.parametrize(("value", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_value_no_store_can_hold_is_a_bad_event(records, value, message):
    with pytest.raises(BadEvent, match=message):
        records.put("report", "r1", value, None)
    with pytest.raises(BadEvent, match=message):
        records.append("audit", value)
    assert (records.get("report", "r1"), records.find("audit")) == (None, ())


# --- find ----------------------------------------------------------------------------------------


def test_find_returns_records_that_equal_in_every_field_ordered_by_id(records):
    put = {
        name: records.put("hold", name, {"state": state, "active": active, "n": 1}, None)
        for name, state, active in [
            ("b", "held", True),
            ("é", "held", True),
            ("a/z", "held", True),
            ("a", "held", False),
            ("c", "ended", True),
            ("Z", "held", True),
        ]
    }

    assert records.find("hold", state="held", active=True) == tuple(
        put[name] for name in ("Z", "a/z", "b", "é")
    )
    assert records.find("hold", state="gone") == ()
    assert [stored.id for stored in records.find("hold")] == ["Z", "a", "a/z", "b", "c", "é"]


def test_find_tells_apart_what_only_looks_equal(records):
    for name, field in [
        *(("flag", True), ("one", 1), ("text", "true"), ("none", None), ("list", ["true"])),
        *(("no", False), ("zero", 0)),
    ]:
        records.put("hold", name, {"x": field}, None)
    records.put("hold", "missing", {"y": {"x": True}}, None)

    found = {
        repr(x): [stored.id for stored in records.find("hold", x=x)]
        for x in (True, False, "true", "1")
    }

    assert found == {"True": ["flag"], "False": ["no"], "'true'": ["text"], "'1'": []}


@pytest.mark.parametrize("name", ["", "a.b", "__x__", "_x", 'quo"te', "`", "0", "naïve", "\x00"])
def test_find_takes_any_field_name(records, name):
    put = records.put("hold", "h1", {name: "v"}, None)
    records.put("hold", "h2", {name: "w"}, None)

    assert records.find("hold", **{name: "v"}) == (put,)


@pytest.mark.parametrize("text", ["", "x" * 2_000, "a\x00b", "größer 🛑", "'\"\\"])
def test_find_takes_any_text(records, text):
    put = records.put("hold", "h1", {"v": text}, None)
    records.put("hold", "h2", {"v": text + "!"}, None)

    assert records.find("hold", v=text) == (put,)


def test_find_sees_a_record_as_it_was_last_written(records):
    first = records.put("hold", "h1", {"state": "held"}, None)

    last = records.put("hold", "h1", {"state": "ended"}, first.version)

    assert records.find("hold", state="held") == ()
    assert records.find("hold", state="ended") == (last,)


# --- append --------------------------------------------------------------------------------------


def test_appended_records_order_as_they_were_added(records):
    ids = [records.append("audit", {"n": n}) for n in range(12)]

    found = records.find("audit")

    assert [(stored.id, stored.value) for stored in found] == [
        (added, {"n": n}) for n, added in enumerate(ids)
    ]


def test_the_newest_of_a_kind_are_read_without_the_others(records):
    ids = [records.append("audit", {"n": n}) for n in range(12)]
    records.append("findings", {"n": 99})

    found = records.newest("audit", 3)

    assert [(stored.id, stored.value) for stored in found] == [
        (ids[n], {"n": n}) for n in (11, 10, 9)
    ]
    assert records.newest("nothing", 3) == ()


def test_ids_rise_over_instances_that_take_turns(opened):
    one, other = opened(), opened()

    ids = [store.append("audit", {}) for _ in range(3) for store in (one, other)]

    assert ids == sorted(set(ids))


def test_appending_from_many_threads_loses_nothing(records):
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: records.append("audit", {"n": n}), range(40)))

    found = records.find("audit")

    assert {stored.id: stored.value for stored in found} == {
        added: {"n": n} for n, added in enumerate(ids)
    }


def test_an_appended_record_can_be_read_but_never_changed(records):
    added = records.append("audit", {"action": "stop"})
    stored = records.get("audit", added)

    for version in (stored.version, None):
        with pytest.raises(Conflict):
            records.put("audit", added, {"action": "nothing"}, version)
    assert stored.value == {"action": "stop"}
    assert records.get("audit", added) == stored


# --- purge ---------------------------------------------------------------------------------------


def test_purge_deletes_what_expired_before_now_and_nothing_else(records):
    records.put("hold", "past", {}, None, expires=NOON - MOMENT)
    records.put("hold", "now", {}, None, expires=NOON)
    records.put("hold", "ever", {}, None)
    old = records.append("audit", {}, expires=NOON - MOMENT)
    new = records.append("audit", {}, expires=NOON + MOMENT)
    ever = records.append("audit", {})

    assert records.purge(NOON) == 2
    assert [stored.id for stored in records.find("hold")] == ["ever", "now"]
    assert [stored.id for stored in records.find("audit")] == [new, ever]
    assert records.get("audit", old) is None
    assert records.purge(NOON) == 0


def test_purge_understands_other_time_zones(records):
    tokyo = dt.timezone(dt.timedelta(hours=9))
    records.put("hold", "h1", {}, None, expires=NOON.astimezone(tokyo))

    assert records.purge(NOON) == 0
    assert records.purge((NOON + MOMENT).astimezone(tokyo)) == 1


def test_every_put_sets_the_expiry_anew(records):
    kept = records.put("hold", "kept", {}, None, expires=NOON)
    records.put("hold", "kept", {}, kept.version)
    moved = records.put("hold", "moved", {}, None)
    records.put("hold", "moved", {}, moved.version, expires=NOON)

    assert records.purge(NOON + MOMENT) == 1
    assert [stored.id for stored in records.find("hold")] == ["kept"]


def test_an_expired_record_counts_as_there_until_it_is_purged(records):
    stored = records.put("hold", "h1", {}, None, expires=NOON)

    with pytest.raises(Conflict):
        records.put("hold", "h1", {}, None)
    assert records.get("hold", "h1") == stored


def test_a_time_without_a_zone_is_a_mistake(records):
    naive = NOON.replace(tzinfo=None)

    with pytest.raises(ValueError, match="no time zone"):
        records.put("hold", "h1", {}, None, expires=naive)
    with pytest.raises(ValueError, match="no time zone"):
        records.append("audit", {}, expires=naive)
    with pytest.raises(ValueError, match="no time zone"):
        records.purge(naive)


# --- contention ----------------------------------------------------------------------------------


def test_of_twenty_contending_creators_one_wins(opened):
    stores = [opened() for _ in range(4)]

    def create(n: int) -> int | None:
        try:
            stores[n % 4].put("lock", "only", {"winner": n}, None)
        except Conflict:
            return None
        return n

    with ThreadPoolExecutor(20) as pool:
        winners = [n for n in pool.map(create, range(20)) if n is not None]

    assert [stores[0].get("lock", "only").value] == [{"winner": n} for n in winners]


def test_contending_increments_lose_nothing(opened):
    opened().put("counter", "c", {"n": 0}, None)

    def add(_: int) -> None:
        store = opened()
        for _ in range(5):
            while not _incremented(store):
                pass

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(3)))

    assert opened().get("counter", "c").value == {"n": 15}


def _incremented(store: Records) -> bool:
    seen = store.get("counter", "c")
    try:
        store.put("counter", "c", {"n": seen.value["n"] + 1}, seen.version)
    except Conflict:
        return False
    return True


# --- Firestore only ------------------------------------------------------------------------------


def test_no_two_ids_share_a_document_name():
    assert len({name_for(name) for name in IDS}) == len(IDS)
    assert not any("/" in name_for(name) or len(name_for(name).encode()) > 1_500 for name in IDS)


def test_ids_of_one_instance_rise_even_where_the_clock_stands():
    ids = OrderedIds()

    made = [ids.next() for _ in range(10_000)]

    assert made == sorted(set(made))


@pytest.mark.usefixtures("firestore_server")
def test_the_expiry_is_a_timestamp_for_the_ttl_policy(project):
    from google.cloud.firestore import Client

    store = open_records(f"firestore://{project}/(default)?prefix=tw-")
    store.put("hold", "a/b", {"expires_at": "mine", "id": 7}, None, expires=NOON)

    document = Client(project=project).collection("tw-hold").document("a%2Fb").get().to_dict()

    assert document["expires_at"] == NOON
    assert document["fields"] == {"expires_at": "mine"}
    assert store.get("hold", "a/b").value == {"expires_at": "mine", "id": 7}


@pytest.mark.usefixtures("firestore_server")
@pytest.mark.parametrize("version", [True, False], ids=["put", "create"])
def test_a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses(project, version):
    store = FirestoreRecords(project)
    seen = store.put("hold", "h1", {"n": 0}, None).version if version else None
    document = document_for("hold", "h1", {"n": 1}, None)

    first, repeated = (store._write("hold", document, seen) for _ in range(2))

    assert first == repeated == store.get("hold", "h1").version


@pytest.mark.usefixtures("firestore_server")
def test_a_collection_of_another_program_is_refused_by_name(project):
    from google.cloud.firestore import Client

    Client(project=project).collection("hold").document("h1").create({"id": "h1"})

    with pytest.raises(Misconfigured, match="hold/h1 was not written by Twinguard"):
        open_records(f"firestore://{project}/(default)").find("hold")


@pytest.mark.usefixtures("firestore_server")
def test_prefixes_keep_stores_apart_even_when_purging(project):
    one = open_records(f"firestore://{project}/(default)?prefix=one-")
    two = open_records(f"firestore://{project}/(default)?prefix=two-")
    one.put("hold", "h", {}, None, expires=NOON)
    kept = two.put("hold", "h", {}, None, expires=NOON)

    assert one.purge(NOON + MOMENT) == 1
    assert (one.get("hold", "h"), two.get("hold", "h")) == (None, kept)


@pytest.mark.usefixtures("firestore_server")
def test_purging_spares_documents_of_other_programs(project):
    from google.cloud.firestore import Client

    foreign = Client(project=project).collection("sessions").document("s1")
    foreign.create({"expires_at": NOON})

    assert open_records(f"firestore://{project}/(default)").purge(NOON + MOMENT) == 0
    assert foreign.get().exists


CALLS = {
    "get": lambda store: store.get("hold", "h1"),
    "create": lambda store: store.put("hold", "h1", {}, None),
    "put": lambda store: store.put("hold", "h1", {}, "2026-11-23T12:00:00.000001Z"),
    "find": lambda store: store.find("hold", state="held"),
    "append": lambda store: store.append("audit", {}),
    "purge": lambda store: store.purge(NOON),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_firestore_that_cannot_be_reached_is_unavailable(monkeypatch, call):
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    store = FirestoreRecords("demo-nowhere", timeout=0.3)

    with pytest.raises(Unavailable, match="projects/demo-nowhere/databases") as caught:
        call(store)
    assert not isinstance(caught.value, Conflict)
