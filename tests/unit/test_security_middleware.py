# SPDX-License-Identifier: Apache-2.0
"""The middleware in front of a Starlette application: who passes, who does not, what is told."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from guarding import KEY, KEY_ID, PEPPERS, Clock, Site, application
from threats import AWAY, HOME, START, owned
from twinguard.counters import Answer
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.values import ThreatLevel
from twinguard.errors import Unavailable
from twinguard.guard import Guard
from twinguard.policy import OnFailure, Security
from twinguard.usage import UsageEvent, encoded
from twinguard.web.middleware import SecurityMiddleware
from twinguard.web.requests import address_of, keys_in

SECOND = 1 / 86400


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


def learned(site, days=14):
    """The owner's weeks, counted."""
    for one in owned(days):
        site.guard.counters.observe(replace(one, key_id=KEY_ID))


async def stolen(site, times=60, **more):
    """What a thief gets, request by request."""
    found = []
    for number in range(times):
        site.clock.days = 14.3 + 5 * number * SECOND
        found.append(await site.get(ip=AWAY, agent="sqlmap/1.7", **more))
    return found


def test_an_owner_is_served_and_not_slowed(site):
    learned(site)
    site.clock.days = 14.3
    answer = asyncio.run(site.get())

    assert (answer.status_code, answer.json()) == (200, {"limit": None})


def test_a_thief_is_slowed_and_then_turned_away_in_strategys_words(site):
    learned(site)
    answers = asyncio.run(stolen(site))
    codes = [answer.status_code for answer in answers]

    assert codes[-1] == 403
    assert answers[-1].json() == {"error": "API key has been blocked for security reasons"}
    assert codes == sorted(codes)
    assert codes.count(200) < 12
    assert {"limit": 10} in [answer.json() for answer in answers]


def test_the_owner_of_a_blocked_key_is_turned_away_too(site):
    learned(site)
    asyncio.run(stolen(site))

    assert asyncio.run(site.get()).status_code == 403


def test_a_throttled_key_hears_when_it_may_come_again(site):
    site.guard.counters.restrain(
        Restraint(key_id=KEY_ID, curb=Curb.THROTTLE, since=START.timestamp(), rate=2)
    )
    site.clock.days = 10 * SECOND
    answers = [asyncio.run(site.get()) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 120
    assert answers[0].json() == {"limit": 2}


def test_requests_without_a_key_are_the_applications_own_question(site):
    assert asyncio.run(site.get(key="")).status_code == 200
    assert site.tallies.read().get("admitted", 0) == 0


def test_a_key_that_the_applications_look_up_calls_nothing_is_nobodys():
    """Reported without a name, it would make its whole batch one that nobody can read."""
    site = Site(key_id_of=lambda raw: PEPPERS.key_id(raw) if raw == KEY else "")
    for key in ("made-up", KEY):
        assert asyncio.run(site.get(key=key)).status_code == 200
    site.close()

    assert [event.key_id for event in site.topic.events] == [KEY_ID]


def test_exempt_paths_are_never_looked_at(site):
    site.guard.counters.restrain(Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp()))

    assert asyncio.run(site.get("/healthz")).status_code == 200
    assert asyncio.run(site.get()).status_code == 403


def test_a_stream_arrives_as_it_was_sent(site):
    answer = asyncio.run(site.get("/v1/streams"))

    assert answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_each_part_of_a_stream_leaves_before_the_next_is_made(site):
    """Nothing is held back until the end."""
    order = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            order.append(f"made {number}")
            await send({"type": "http.response.body", "body": b"x", "more_body": number < 2})

    async def send(message):
        if message["type"] == "http.response.body":
            order.append("sent")

    scope = {
        "type": "http",
        "path": "/v1",
        "headers": [(b"x-api-key", KEY.encode())],
        "client": ("1.2.3.4", 1),
    }
    middleware = SecurityMiddleware(app, guard=site.guard, key_id_of=PEPPERS.key_id)
    asyncio.run(middleware(scope, None, send))

    assert order == ["made 0", "sent", "made 1", "sent", "made 2", "sent"]


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/fails", 403), ("/v1/breaks", 500), ("/none", 404)]
)
def test_what_was_used_is_reported_with_how_it_ended(site, path, status):
    asyncio.run(site.get(path))
    site.close()
    (event,) = site.topic.events

    assert (event.key_id, event.ip, event.path, event.status) == (KEY_ID, HOME, path, status)
    assert not event.counted


@pytest.mark.parametrize("is_shared", [True, False])
def test_who_counts_says_what_is_strange(site, is_shared):
    """Where only `on_usage` knows all of a key's use, only that can say."""
    learned(site)
    site.guard.counters.is_shared = is_shared
    asyncio.run(stolen(site, 1))
    asyncio.run(site.get())
    site.close()

    assert [event.strange for event in site.topic.events] == [is_shared, False]


def test_what_is_reported_after_the_end_is_counted_as_lost(site):
    asyncio.run(site.get())
    site.close()
    asyncio.run(site.get())

    assert len(site.topic.events) == 1
    assert site.tallies.read()["usage_dropped"] == 1


def test_a_key_is_nowhere_but_in_the_request(site):
    asyncio.run(site.get())
    site.close()

    assert KEY not in repr(site.topic.events)
    assert KEY not in repr(site.guard.counters._watch._keys)


def test_a_finding_is_reported_with_its_evidence(site):
    learned(site)
    asyncio.run(stolen(site))
    site.close()
    found = [finding for event in site.topic.events for finding in event.findings]

    assert found[-1].threat_level is ThreatLevel.CRITICAL
    assert found[-1].evidence["address"] == AWAY


def test_a_topic_that_does_not_answer_costs_events_but_no_request(site):
    site.topic.is_down = True
    site.reporter._most = 5
    answers = [asyncio.run(site.get()) for _ in range(20)]
    site.close()

    assert {answer.status_code for answer in answers} == {200}
    read = site.tallies.read()
    assert read["usage_dropped"] >= 15
    assert "usage_reported" not in read


def test_a_batch_that_may_have_arrived_goes_by_the_same_name_again(site):
    """Pub/Sub had it, and its answer was lost; meanwhile more was used."""
    publish, named, all_sent = site.topic.publish, [], threading.Event()

    def lossy(topic, data, attributes):
        named.append((attributes["batch"], data))
        publish(topic, data, attributes)
        if len(named) == 1:
            site.reporter.report(site.topic.events[0])
            raise Unavailable("no answer")
        if len(named) == 3:
            all_sent.set()

    site.topic.publish = lossy
    asyncio.run(site.get())
    all_sent.wait(30)
    site.close()

    first, again, next_ = named
    assert first == again
    assert next_[0] != first[0]
    assert site.tallies.read()["usage_reported"] == 2


def test_events_travel_in_batches(site):
    site.reporter._every = 60.0

    async def many():
        for _ in range(150):
            await site.get()

    asyncio.run(many())
    site.close()

    assert len(site.topic.events) == 150
    assert site.topic.messages <= 2


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        [(b"X-API-Key", b"k1")],
        [(b"Authorization", b"Bearer k1")],
        [(b"authorization", b"bearer  k1 ")],
        [(b"x-api-key", b"k1"), (b"authorization", b"Bearer k1")],
    ],
)
def test_a_key_is_found_where_applications_look_for_it(headers):
    assert keys_in(headers) == ("k1",)


def test_a_stolen_key_cannot_hide_behind_another(site):
    site.guard.counters.restrain(Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp()))
    both = {"Authorization": f"Bearer {KEY}"}

    assert asyncio.run(site.get(key="another", headers=both)).status_code == 403


def test_a_request_with_many_keys_is_refused(site):
    headers = [(b"x-api-key", f"k{n}".encode()) for n in range(9)]
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/v1", "headers": headers, "client": None}
    asyncio.run(site.app(scope, None, send))

    assert sent[0]["status"] == 400


def test_a_websocket_of_a_blocked_key_is_closed_before_it_opens(site):
    async def hello(socket):
        await socket.accept()

    async def in_http(*_):
        raise AssertionError("a websocket takes no answer of HTTP")

    app = Starlette(routes=[WebSocketRoute("/ws", hello)])
    middleware = SecurityMiddleware(app, guard=site.guard, key_id_of=PEPPERS.key_id, refuse=in_http)
    site.guard.counters.restrain(Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp()))
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [(b"x-api-key", KEY.encode())]}
    asyncio.run(middleware(scope, None, send))

    assert sent[0]["type"] == "websocket.close"
    assert sent[0]["code"] == 1008


def test_what_is_ignored_is_neither_counted_nor_reported_but_held_back_all_the_same():
    site = Site(ignores=lambda use, _: use.ip == HOME)
    answers = [asyncio.run(site.get(ip=ip)).status_code for ip in (HOME, AWAY)]
    site.guard.blocks.note(Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp()))
    blocked = asyncio.run(site.get(ip=HOME)).status_code
    site.close()

    assert (answers, blocked) == ([200, 200], 403)
    assert [event.ip for event in site.topic.events] == [AWAY]
    assert site.tallies.read()["admitted"] == 1


def test_what_waits_is_handed_over_before_the_server_hears_that_all_is_over(site):
    """It may end the process at once then."""
    site.reporter._every = 60.0
    asyncio.run(site.get())
    handed_over = []

    async def receive():
        return {"type": "lifespan.startup" if not handed_over else "lifespan.shutdown"}

    async def send(message):
        handed_over.append((message["type"], len(site.topic.events)))

    asyncio.run(site.app({"type": "lifespan", "state": {}}, receive, send))

    assert handed_over == [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 1)]


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "proxies", "address"),
    [
        ([], 1, "10.9.9.9"),
        ([b"1.1.1.1"], 0, "10.9.9.9"),
        ([b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6", b"1.1.1.1"], 1, "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1, 35.0.0.1"], 2, "1.1.1.1"),
        ([b"35.0.0.1"], 2, "10.9.9.9"),
        ([b"1.1.1.1:4711"], 1, "1.1.1.1"),
        ([b"[2001:db8::1]:443"], 1, "2001:db8::1"),
        ([b"unknown"], 1, "10.9.9.9"),
        ([b"1.1.1.1,"], 1, "10.9.9.9"),
        ([b"\xff\xfe"], 1, "10.9.9.9"),
        ([b"1.2.3.4," * 5000 + b"1.1.1.1"], 1, "1.1.1.1"),
    ],
)
def test_only_what_our_own_side_wrote_says_where_a_client_is(lines, proxies, address):
    headers = [(b"X-Forwarded-For", line) for line in lines]

    assert address_of(headers, ("10.9.9.9", 1), proxies) == address


def test_a_caller_cannot_choose_where_it_seems_to_be(site):
    """The thief writes the owner's address in front; the proxy adds the thief's own."""
    learned(site)
    answers = asyncio.run(stolen(site, headers={"X-Forwarded-For": HOME}))

    assert answers[-1].status_code == 403


@pytest.fixture(scope="module")
def fuzzed():
    """Nothing is handed over while it is looked at."""
    made = Site()
    made.reporter._start = lambda: None
    yield made
    made.close()


EVENT = UsageEvent(at=START, key_id="k")


@settings(max_examples=200, deadline=None)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                [b"x-api-key", b"authorization", b"x-forwarded-for", b"user-agent", b"X-Api-KEY"]
            ),
            st.one_of(
                st.binary(max_size=200),
                st.just(b"Bearer " + b"\xff" * 10_000),
                st.just("ключ 🛑".encode()),
                st.just(b"a" * 10_240),
                st.just(b"Bearer "),
            ),
        ),
        max_size=8,
    ),
    path=st.text(max_size=50),
    client=st.one_of(st.none(), st.just(("", 0)), st.tuples(st.text(max_size=80), st.just(1))),
)
def test_no_header_breaks_it(fuzzed, headers, path, client):
    site, sent = fuzzed, []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1" + path,
        "raw_path": b"/v1",
        "query_string": b"",
        "headers": headers,
        "client": client,
    }
    site.reporter._waiting.clear()
    asyncio.run(site.app(scope, receive, send))

    assert sent[0]["status"] in {200, 400, 404}
    assert len(encoded(list(site.reporter._waiting) or [EVENT])) < 8 * 4000


# --- when the store is gone ----------------------------------------------------------------------


class Broken:
    """Counters that do not answer while `is_down`."""

    is_instant = is_shared = True

    def __init__(self):
        self.is_down = True
        self.asked = 0

    def admit(self, use):
        self.asked += 1
        if self.is_down:
            raise Unavailable("no answer")
        return Answer()

    def settle(self, use):
        return

    def observe(self, use):
        return Answer()

    def restrain(self, restraint):
        raise Unavailable("no answer")

    def follow(self):
        raise Unavailable("no answer")


def broken(**security):
    counters = Broken()
    site = Site()
    site.guard = Guard(counters, Security(**security), site.tallies)
    site.app = SecurityMiddleware(
        application(), guard=site.guard, key_id_of=PEPPERS.key_id, clock=Clock()
    )
    return site, counters


def test_without_the_store_requests_pass_where_the_policy_says_open():
    site, _ = broken()

    assert asyncio.run(site.get()).status_code == 200
    assert site.tallies.read()["failed_open"] == 1


def test_without_the_store_requests_wait_where_the_policy_says_closed():
    site, _ = broken(on_failure=OnFailure.CLOSED)
    answer = asyncio.run(site.get())

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert site.tallies.read()["failed_closed"] == 1


def test_paths_that_cost_money_can_fail_closed_alone():
    site, _ = broken(closed_paths=("/paid",))

    assert asyncio.run(site.get("/paid/thing")).status_code == 503
    assert asyncio.run(site.get("/paidfor")).status_code == 404
    assert asyncio.run(site.get()).status_code == 200


def test_a_store_that_does_not_answer_is_soon_left_alone():
    site, counters = broken()
    for _ in range(50):
        asyncio.run(site.get())

    assert counters.asked <= 4
    assert site.tallies.read()["counters_down"] == 1


def test_known_blocks_hold_without_the_store():
    site, _ = broken()
    site.guard.blocks.note(Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp()))

    assert asyncio.run(site.get()).status_code == 403


def test_known_throttles_hold_without_the_store():
    site, _ = broken()
    held = Restraint(key_id=KEY_ID, curb=Curb.THROTTLE, since=START.timestamp(), rate=3)
    site.guard.blocks.note(held)
    codes = [asyncio.run(site.get()).status_code for _ in range(5)]

    assert codes == [200, 200, 200, 429, 429]


def test_a_middleware_without_a_guard_is_refused_at_once():
    with pytest.raises(TypeError, match="guard must be a Guard"):
        SecurityMiddleware(application(), guard=None, key_id_of=PEPPERS.key_id)
