# SPDX-License-Identifier: Apache-2.0
"""One key has one id: through rotations and new peppers, and nobody gets it who only claims it."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time

import pytest
from msgspec.structs import replace

from guarding import Clock, Site
from threats import AWAY, START, owned
from twinguard import config, state
from twinguard import keyring as module
from twinguard.block_list import BlockList
from twinguard.cli.security_monitor import APISecurityMonitor
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide import customer_keys as rules
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import Misconfigured, Unavailable
from twinguard.keyring import Keyring
from twinguard.peppers import Peppers
from twinguard.policy import Environment, OnFailure, Retention, Security
from twinguard.state.counters import open_counters
from twinguard.web.opened import protection

OLD, NEW = "o" * 32, "n" * 32
FOREIGN = "not-one-of-ours-abcd"
DAY = dt.timedelta(days=1)


class Store:
    """Records that count who asks, fail while `is_down`, and wait for `may_answer`."""

    def __init__(self):
        self._inner = state.open_records("sqlite://")
        self.asked, self.is_down = 0, False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def get(self, kind, key_id):
        self.asked += 1
        self.may_answer.wait(10)
        if self.is_down:
            raise Unavailable("no answer")
        return self._inner.get(kind, key_id)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class House:
    """Customers' keys, who tells whose they are, and an application behind the guard."""

    def __init__(self, peppers=None, security=None, store=None):
        self.store, self.clock = store or Store(), Clock()
        self.peppers = Peppers(peppers or {"1": OLD})
        self.keys = CustomerKeys(self.store, Environment.STAGING, Retention(), self.peppers)
        self.ring = Keyring(self.keys, self.peppers, self.clock)
        self.site = Site(security=security, clock=self.clock, key_id_of=self.ring.named)
        self.site.guard.blocks.before_lift = self.ring.forget

    def renewed(self):
        """The same after a new pepper came, in a process that begins anew."""
        return House({"2": NEW, "1": OLD}, store=self.store)

    def issue(self):
        issued = self.keys.issue(Order(tenant="acme"), "ada", "new", self.clock())
        return issued.key.id, issued.raw

    def rotate(self, key_id, overlap=DAY):
        return self.keys.rotate(key_id, overlap, "ada", "quarterly", self.clock()).raw

    def hold(self, key_id, curb=Curb.BLOCK):
        held = Restraint(key_id=key_id, curb=curb, since=self.clock().timestamp())
        self.site.guard.counters.restrain(held)
        self.site.guard.blocks.note(held)  # as if it was pushed

    def status(self, raw, path="/v1/chat/completions", **more):
        return asyncio.run(self.site.get(path, key=raw, **more)).status_code

    def later(self, days):
        self.clock.days += days


@pytest.fixture
def house():
    made = House()
    yield made
    made.site.close()


def forged(key_id):
    """A key of this id that anybody can make up: only its secret is wrong."""
    return rules.composed(rules.KeyClass.TEST, key_id, 4711).raw


def test_a_customers_key_is_called_by_its_public_id_and_others_by_a_digest(house):
    key_id, raw = house.issue()

    assert house.ring.name(raw).id == key_id
    assert house.ring.name(FOREIGN).id == house.peppers.key_id(FOREIGN)


def test_both_secrets_of_a_blocked_key_stay_blocked_until_it_is_unblocked(house):
    key_id, first = house.issue()
    house.hold(key_id)
    second = house.rotate(key_id)

    assert [house.status(raw) for raw in (first, second)] == [403, 403]
    house.hold(key_id, Curb.NONE)
    assert [house.status(raw) for raw in (first, second)] == [200, 200]


def test_a_blocked_key_that_was_rotated_without_overlap_has_no_secret_that_passes(house):
    key_id, first = house.issue()
    house.hold(key_id)
    second = house.rotate(key_id, dt.timedelta(0))

    assert [house.status(raw) for raw in (first, second)] == [403, 403]
    house.hold(key_id, Curb.NONE)
    assert house.ring.name(first).found.reason is rules.Reason.RETIRED


def test_a_throttle_and_a_baseline_go_on_with_a_new_secret(house):
    key_id, _ = house.issue()
    second = house.rotate(key_id)
    since = START.timestamp()
    house.site.guard.counters.restrain(
        Restraint(key_id=key_id, curb=Curb.THROTTLE, since=since, rate=1)
    )
    statuses = [house.status(second) for _ in range(2)]
    house.site.close()

    assert statuses == [200, 429]
    assert [event.key_id for event in house.site.topic.events] == [key_id]


def test_an_old_secret_cannot_get_the_new_one_blocked(house):
    """The thief goes on with what was rotated out because of him."""
    key_id, stolen = house.issue()
    for one in owned():
        house.site.guard.counters.observe(replace(one, key_id=key_id))
    house.clock.days = 14.3
    fresh = house.rotate(key_id, dt.timedelta(0))
    for _ in range(60):
        house.status(stolen, ip=AWAY, agent="sqlmap/1.7")
        house.later(5 / 86_400)

    assert house.status(fresh) == 200
    assert house.ring.name(stolen).id != key_id


def test_once_a_block_is_lifted_the_secret_that_was_replaced_is_nobodys_at_once(house):
    """However lately it was looked up: else the thief had the owner blocked again."""
    key_id, stolen = house.issue()
    assert house.status(stolen) == 200
    house.hold(key_id)
    house.rotate(key_id, dt.timedelta(0))
    house.hold(key_id, Curb.NONE)

    assert house.ring.name(stolen).id != key_id


def test_a_look_up_that_was_under_way_when_a_block_is_lifted_does_not_count_after_it(house):
    key_id, stolen = house.issue()
    look_up = house.keys.look_up

    def slow(raw, now):
        found = look_up(raw, now)
        house.rotate(key_id, dt.timedelta(0))
        house.ring.forget(key_id)
        house.keys.look_up = look_up
        return found

    house.keys.look_up = slow
    house.ring.name(stolen)

    assert house.ring.name(stolen).id != key_id


def test_a_block_that_is_missing_when_all_are_read_anew_was_lifted_too():
    heard = []
    blocks = BlockList(open_counters("memory://"))
    blocks.before_lift = heard.append
    blocks.note(Restraint(key_id="k", curb=Curb.BLOCK, since=0.0))
    blocks._replace((), begun=time.monotonic())

    assert (heard, len(blocks)) == (["k"], 0)


def test_who_only_claims_an_id_neither_has_it_nor_harms_who_does(house):
    key_id, raw = house.issue()
    for one in owned():
        house.site.guard.counters.observe(replace(one, key_id=key_id))
    house.clock.days = 14.3
    for _ in range(60):
        house.status(forged(key_id), ip=AWAY, agent="sqlmap/1.7")
        house.later(5 / 86_400)
    answer = house.status(raw)
    house.site.close()

    assert answer == 200
    *others, own = [event.key_id for event in house.site.topic.events]
    assert (own, key_id in others) == (key_id, False)


def test_who_only_claims_a_blocked_id_learns_nothing_of_it(house):
    key_id, _ = house.issue()
    house.hold(key_id)

    assert house.status(forged(key_id)) == 200  # that it is no key is the application's to say


@pytest.mark.parametrize("state", ["disable", "expire"])
def test_a_key_that_is_switched_off_keeps_its_id(house, state):
    if state == "disable":
        key_id, raw = house.issue()
        house.keys.disable(key_id, "ada", "suspect", house.clock())
    else:
        order = Order(tenant="acme", expires_at=house.clock() + DAY)
        issued = house.keys.issue(order, "ada", "new", house.clock())
        key_id, raw = issued.key.id, issued.raw
        house.later(2)

    assert house.ring.name(raw).id == key_id


# --- peppers -------------------------------------------------------------------------------------


def test_a_new_pepper_leaves_every_key_its_id_and_its_block(house):
    _, raw = house.issue()
    before = [house.ring.name(one).id for one in (raw, FOREIGN)]
    renewed = house.renewed()
    for blocked in before:
        renewed.hold(blocked)

    assert before == [renewed.ring.name(one).id for one in (raw, FOREIGN)]
    assert [renewed.status(one) for one in (raw, FOREIGN)] == [403, 403]
    renewed.site.close()


@pytest.mark.parametrize("pepper", [{"1": OLD}, {"2": NEW}])
def test_a_block_under_the_name_of_any_pepper_holds(house, pepper):
    """As a process called the key that had one of them alone."""
    _, raw = house.issue()
    for shown in (raw, FOREIGN):
        renewed = house.renewed()
        renewed.hold(Peppers(pepper).key_id(shown))

        assert renewed.status(shown) == 403
        renewed.site.close()


# --- what it costs -------------------------------------------------------------------------------


def test_a_key_that_was_seen_costs_the_store_nothing(house):
    _, raw = house.issue()
    house.store.asked = 0

    assert {house.status(raw) for _ in range(50)} == {200}
    assert house.store.asked == 1
    house.later(module.SECONDS / 86_400)
    house.status(raw)
    assert house.store.asked == 2


def test_what_is_no_key_of_ours_is_never_asked_for(house):
    for shown in (FOREIGN, forged("0" * 12)[:-1] + "0", "ltk_live_" + "0" * 52):
        house.status(shown)

    assert house.store.asked == 0


def test_many_requests_with_a_new_key_ask_once(house):
    _, raw = house.issue()
    house.store.asked = 0
    house.store.may_answer.clear()

    async def together():
        waiting = [asyncio.ensure_future(house.ring.named(raw)) for _ in range(50)]
        await asyncio.sleep(0)
        house.store.may_answer.set()
        return await asyncio.gather(*waiting)

    assert {one.id for one in asyncio.run(together())} == {raw.split("_")[2]}
    assert house.store.asked == 1


def test_made_up_keys_push_no_good_one_out(house, monkeypatch):
    monkeypatch.setattr(module, "_KEPT", 3)
    _, raw = house.issue()
    house.status(raw)
    for number in range(10):
        house.status(forged(rules.text_of(number, 60)))
    house.store.asked = 0
    house.status(raw)

    assert house.store.asked == 0


# --- when the store of keys is gone --------------------------------------------------------------


def test_without_the_store_a_key_that_was_seen_is_guarded_as_before(house):
    key_id, raw = house.issue()
    house.status(raw)
    house.store.is_down = True
    house.later(1)

    assert house.status(raw) == 200
    house.hold(key_id)
    assert house.status(raw) == 403
    house.site.close()
    assert {event.key_id for event in house.site.topic.events} == {key_id}


def test_without_the_store_a_key_never_seen_passes_unreported_where_the_policy_says_open(house):
    _, raw = house.issue()
    house.store.is_down = True
    passed = house.status(raw)
    house.site.close()

    assert (passed, house.site.topic.events) == (200, [])
    assert house.site.tallies.read()["failed_open"] == 1


@pytest.mark.parametrize(
    ("security", "statuses"),
    [
        (Security(on_failure=OnFailure.CLOSED), [503, 503]),
        (Security(closed_paths=("/paid",)), [200, 503]),
    ],
)
def test_without_the_store_a_key_never_seen_waits_where_the_policy_says_closed(security, statuses):
    house = House(security=security)
    _, raw = house.issue()
    house.store.is_down = True
    found = [house.status(raw, path) for path in ("/v1/chat/completions", "/paid/thing")]
    house.site.close()

    assert found == statuses


def test_without_the_store_a_known_block_holds_for_a_key_never_seen(house):
    key_id, raw = house.issue()
    house.store.is_down = True
    house.hold(key_id)

    assert house.status(raw) == 403


def test_a_store_that_does_not_answer_is_soon_left_alone(house):
    keys = [house.issue()[1] for _ in range(20)]
    house.store.is_down, house.store.asked = True, 0
    for raw in keys:
        house.status(raw)

    assert house.store.asked <= 4
    assert house.ring.is_down()


def test_a_key_whose_record_cannot_be_read_puts_out_nobody_else(house):
    broken, raw = house.issue()
    other, shown = house.issue()
    stored = house.store.get("customer_keys", broken)
    house.store.put("customer_keys", broken, stored.value | {"scopes": 7}, stored.version)
    for _ in range(5):
        house.status(raw)

    assert not house.ring.name(raw).is_sure
    assert house.ring.name(shown).id == other


def test_a_store_that_is_slow_does_not_make_requests_wait_for_it(house, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    _, raw = house.issue()
    house.store.may_answer.clear()

    async def waiting():
        try:
            return await house.ring.named(raw)
        finally:
            house.store.may_answer.set()

    assert not asyncio.run(waiting()).is_sure


def test_one_slow_look_up_is_one_failure_however_many_wait_for_it(house, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    _, raw = house.issue()
    house.store.may_answer.clear()

    async def waiting():
        try:
            found = await asyncio.gather(*(house.ring.named(raw) for _ in range(5)))
            return [one.is_sure for one in found], house.ring.is_down()
        finally:
            house.store.may_answer.set()

    sure, is_down = asyncio.run(waiting())

    assert sure == [False] * 5
    assert not is_down, "other keys are still asked for"


def test_a_key_itself_is_remembered_nowhere(house):
    _, raw = house.issue()
    house.status(raw)

    assert raw not in repr([vars(shelf) for shelf in (house.ring._good, house.ring._bad)])


# --- from the settings ---------------------------------------------------------------------------


def test_the_middleware_and_the_monitor_of_these_settings_call_a_key_the_same(
    tmp_path, monkeypatch
):
    records = f"sqlite:///{tmp_path / 'records.db'}"
    env = {
        "TWINGUARD_POLICY": config.render(config.load(config.path_of(Environment.STAGING))),
        "TWINGUARD_COUNTERS": "memory://",
        "TWINGUARD_RECORDS": records,
        "TWINGUARD_KEY_PEPPER": f"1:{OLD}",
    }
    keys = CustomerKeys(
        state.open_records(records), Environment.STAGING, Retention(), Peppers({"1": OLD})
    )
    issued = keys.issue(Order(tenant="acme"), "ada", "new", START)
    named = asyncio.run(protection(env)["key_id_of"](issued.raw))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monitor = APISecurityMonitor("staging")
    for one in owned(10):
        monitor.check_all_threats(issued.raw, one.ip, one.user_agent, one.path, at=one.at)
    for number in range(60):
        at = START + dt.timedelta(days=10.3, seconds=5 * number)
        found = monitor.check_all_threats(issued.raw, AWAY, "sqlmap/1.7", "/v1", at=at)

    assert named.id == issued.key.id
    assert {one.key_id for one in found} == {issued.key.id}


def test_an_application_that_cannot_know_whose_keys_it_sees_does_not_start():
    env = {
        "TWINGUARD_POLICY": config.render(config.load(config.path_of(Environment.STAGING))),
        "TWINGUARD_COUNTERS": "memory://",
        "TWINGUARD_KEY_PEPPER": f"1:{OLD}",
    }

    with pytest.raises(Misconfigured, match="TWINGUARD_RECORDS is missing"):
        protection(env)
