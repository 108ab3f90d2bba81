# SPDX-License-Identifier: Apache-2.0
"""Customers' keys: their form, the store, what a caller can and cannot learn, and their life."""

from __future__ import annotations

import datetime as dt
import json
import re
import traceback
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from fakes import MemoryRecords
from twinguard import customer_keys
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide import customer_keys as rules
from twinguard.decide.customer_keys import (
    ALPHABET,
    CustomerKey,
    KeyClass,
    KeyState,
    Quota,
    Reason,
    Refusal,
)
from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.peppers import Peppers
from twinguard.policy import Environment, Retention

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
OLD, NEW = "1:" + "o" * 40, "2:" + "n" * 40
KEY = rules.composed(KeyClass.LIVE, "0h3kq2m8x1nz", 2**159 + 12345)


def peppers(text: str = OLD) -> Peppers:
    return Peppers.read({"TWINGUARD_KEY_PEPPER": text})


class Counting(MemoryRecords):
    """Records that know how often they were asked."""

    reads = 0

    def get(self, kind, id):
        self.reads += 1
        return super().get(kind, id)


@pytest.fixture
def records() -> Counting:
    return Counting()


@pytest.fixture
def keys(records) -> CustomerKeys:
    return CustomerKeys(records, Environment.STAGING, Retention(), peppers())


@pytest.fixture
def issued(keys):
    return keys.issue(Order(tenant="acme", label="Build server"), "ada", "asked for", NOW)


def trail(records) -> list[tuple[str, str]]:
    """Action and outcome of every change that was audited."""
    found = records.find("audit")
    begun = {one.id: one.value["action"] for one in found if one.value["phase"] == "begun"}
    return [
        (begun[one.value["begun"]], one.value["outcome"])
        for one in found
        if one.value["phase"] == "ended"
    ]


# --- the form ------------------------------------------------------------------------------------


def test_a_key_says_what_it_is_and_has_160_random_bits():
    kind, name, rest = KEY.raw.removeprefix("ltk_").split("_")

    assert (kind, name, len(rest)) == ("live", "0h3kq2m8x1nz", 39)
    assert rules.SECRET_BITS == 32 * 5 == 160
    assert set(rest + name) <= set(ALPHABET)
    assert set("ilou") & set(ALPHABET) == set()
    assert rules.parsed(KEY.raw) == KEY


@given(st.data())
def test_one_changed_letter_is_seen_without_a_look_up(data):
    place = data.draw(st.integers(0, len(KEY.raw) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda one: one != KEY.raw[place]))

    assert rules.parsed(KEY.raw[:place] + letter + KEY.raw[place + 1 :]) is None


@given(st.integers(0, len(KEY.raw) - 2))
def test_two_letters_that_changed_places_are_seen(place):
    raw = KEY.raw
    swapped = raw[:place] + raw[place + 1] + raw[place] + raw[place + 2 :]

    assert swapped == raw or rules.parsed(swapped) is None


@given(st.text(max_size=80))
def test_no_text_is_a_key_by_chance(text):
    assert rules.parsed(text) is None


@pytest.mark.parametrize("text", ["", KEY.raw[:-1], KEY.raw + "0", KEY.raw + "\n", KEY.raw.upper()])
def test_a_key_is_taken_whole_or_not_at_all(text):
    assert rules.parsed(text) is None


@given(st.integers(0, 2**60 - 1), st.integers(0, 2**160 - 1), st.sampled_from(KeyClass))
def test_every_key_that_is_made_can_be_read(id, secret, kind):
    made = rules.composed(kind, rules.text_of(id, 60), secret)

    assert rules.parsed(made.raw) == made


@pytest.mark.parametrize(
    ("granted", "asked", "allowed"),
    [
        ("llm:chat", "llm:chat", True),
        ("llm:chat", "llm:chat:stream", False),
        ("llm:*", "llm:chat", True),
        ("llm:*", "llm:chat:stream", True),
        ("llm:*", "llm", False),
        ("llm:*", "llm:", False),
        ("llm:*", "llms:chat", False),
        ("llm:*", "*", False),
    ],
)
def test_a_scope_is_granted_by_name_or_by_all_below_it(issued, granted, asked, allowed):
    key = msgspec.structs.replace(issued.key, scopes=(granted,))

    assert key.allows(asked) is allowed


# --- looking up ----------------------------------------------------------------------------------


def test_a_key_is_found_by_one_read(keys, records, issued):
    records.reads = 0

    found = keys.look_up(issued.raw, NOW)

    assert found == issued.key
    assert records.reads == 1


def test_a_typo_costs_no_read(keys, records, issued):
    records.reads = 0

    assert keys.look_up(issued.raw[:-1] + "!", NOW) == Refusal(Reason.MALFORMED)
    assert records.reads == 0


def refused(keys, issued):
    """Every way to be refused, with the text that is."""
    name = issued.key.id
    wrong = rules.composed(KeyClass.TEST, name, 1).raw
    nobody = rules.composed(KeyClass.TEST, "0" * 12, 1).raw
    live = rules.composed(KeyClass.LIVE, name, 1).raw
    return {
        Reason.MALFORMED: "ltk_",
        Reason.WRONG_SECRET: wrong,
        Reason.UNKNOWN: nobody,
        Reason.OTHER_ENVIRONMENT: live,
    }


def test_every_refusal_has_its_reason_and_one_public_word(keys, issued):
    told = {reason: keys.look_up(text, NOW) for reason, text in refused(keys, issued).items()}

    assert {reason: one.reason for reason, one in told.items()} == {one: one for one in told}
    assert {one.public for one in told.values()} == {"This key is not valid."}


def test_an_unknown_key_costs_as_many_comparisons_as_a_known_one(keys, issued, monkeypatch):
    made = []
    real = customer_keys.hmac.compare_digest
    monkeypatch.setattr(
        customer_keys.hmac, "compare_digest", lambda one, two: made.append(1) or real(one, two)
    )
    counts = []
    for text in (issued.raw, *refused(keys, issued).values()):
        made.clear()
        keys.look_up(text, NOW)
        counts.append(len(made))

    assert counts == [2, 0, 2, 2, 0]


def test_whoever_has_no_right_secret_does_not_learn_that_a_key_is_disabled(keys, issued):
    keys.disable(issued.key.id, "ada", "leaked", NOW)

    assert keys.look_up(issued.raw, NOW).reason is Reason.DISABLED
    wrong = rules.composed(KeyClass.TEST, issued.key.id, 1).raw
    assert keys.look_up(wrong, NOW).reason is Reason.WRONG_SECRET


def test_another_environment_with_the_same_store_refuses_the_key(records, issued):
    development = CustomerKeys(records, Environment.DEVELOPMENT, Retention(), peppers())

    assert development.look_up(issued.raw, NOW).reason is Reason.OTHER_ENVIRONMENT


def test_a_key_expires_at_its_time(keys):
    made = keys.issue(Order(tenant="acme", expires_at=NOW + HOUR), "ada", "trial", NOW)

    assert isinstance(keys.look_up(made.raw, NOW + HOUR - dt.timedelta(seconds=1)), CustomerKey)
    assert keys.look_up(made.raw, NOW + HOUR).reason is Reason.EXPIRED


# --- the life of a key ---------------------------------------------------------------------------


def test_only_a_digest_is_stored(records, issued):
    (stored,) = records.find("customer_keys")
    secret = issued.raw.split("_")[3]

    assert issued.raw not in json.dumps(stored.value)
    assert secret[:8] not in json.dumps(stored.value)
    (slot,) = stored.value["secrets"]
    assert (len(slot["digest"]), slot["pepper"]) == (64, "1")
    assert slot["last4"] == secret[-11:-7] == issued.key.last4


def test_two_secrets_work_until_the_overlap_ends_and_the_id_stays(keys, issued):
    again = keys.rotate(issued.key.id, DAY, "ada", "quarterly", NOW)

    assert again.key.id == issued.key.id
    assert again.key.state(NOW) is KeyState.ROTATING
    for raw in (issued.raw, again.raw):
        assert keys.look_up(raw, NOW + DAY - HOUR).id == issued.key.id
    assert keys.look_up(issued.raw, NOW + DAY).reason is Reason.RETIRED
    assert keys.look_up(again.raw, NOW + DAY).state(NOW + DAY) is KeyState.ACTIVE


def test_there_are_never_three_secrets(keys, records, issued):
    keys.rotate(issued.key.id, DAY, "ada", "quarterly", NOW)

    with pytest.raises(Misconfigured, match="has two secrets until 2026-11-24 12:00 UTC"):
        keys.rotate(issued.key.id, DAY, "ada", "again", NOW + HOUR)
    (stored,) = records.find("customer_keys")
    assert len(stored.value["secrets"]) == 2


def test_of_two_rotations_at_once_one_is_made(keys, records, issued, monkeypatch):
    real, others = records.get, []

    def get(kind, name):
        found = real(kind, name)
        if not others:
            others.append(None)
            others[0] = keys.rotate(name, DAY, "bob", "at the same time", NOW)
        return found

    monkeypatch.setattr(records, "get", get)

    with pytest.raises(Conflict):
        keys.rotate(issued.key.id, DAY, "ada", "quarterly", NOW)
    assert keys.look_up(others[0].raw, NOW).changed_by == "bob"
    assert isinstance(keys.look_up(issued.raw, NOW), CustomerKey)
    assert trail(records)[1:] == [("RotateKey", "done"), ("RotateKey", "failed")]


def test_after_a_leak_a_rotation_without_overlap_leaves_one_secret_that_works(keys, issued):
    second = keys.rotate(issued.key.id, DAY, "ada", "quarterly", NOW)

    third = keys.rotate(issued.key.id, dt.timedelta(0), "ada", "leaked", NOW + HOUR)

    assert keys.look_up(third.raw, NOW + HOUR).id == issued.key.id
    assert keys.look_up(second.raw, NOW + HOUR).reason is Reason.RETIRED
    assert keys.look_up(issued.raw, NOW + HOUR).reason is Reason.WRONG_SECRET


def test_a_disabled_key_works_again_once_enabled(keys, issued):
    keys.disable(issued.key.id, "ada", "suspect", NOW)
    assert keys.look_up(issued.raw, NOW).reason is Reason.DISABLED

    keys.enable(issued.key.id, "ada", "cleared", NOW + HOUR)

    assert keys.look_up(issued.raw, NOW + HOUR).reason == "cleared"


def test_a_deleted_key_is_unknown_and_its_digest_gone(keys, records, issued):
    keys.delete(issued.key.id, "ada", "left", NOW)

    (stored,) = records.find("customer_keys")
    assert stored.value["secrets"] == []
    assert keys.look_up(issued.raw, NOW).reason is Reason.UNKNOWN
    assert keys.find(NOW) == ()
    assert [one.id for one in keys.find(NOW, state=KeyState.DELETED)] == [issued.key.id]
    with pytest.raises(Misconfigured, match=r"there is no key \w+ in staging"):
        keys.enable(issued.key.id, "ada", "back", NOW)
    assert records.purge(NOW + 401 * DAY) > 0
    assert records.find("customer_keys") == ()


def test_keys_are_found_by_tenant_label_and_state(keys):
    for tenant, label in (("acme", "Build"), ("acme", "Web"), ("beta", "build 2")):
        keys.issue(Order(tenant=tenant, label=label), "ada", "asked for", NOW)
    (web,) = keys.find(NOW, tenant="acme", label="web")
    keys.disable(web.id, "ada", "suspect", NOW)

    assert len(keys.find(NOW)) == 3
    assert {one.label for one in keys.find(NOW, label="BUILD")} == {"Build", "build 2"}
    assert [one.id for one in keys.find(NOW, state=KeyState.DISABLED)] == [web.id]


def test_every_change_is_audited_before_and_after(keys, records, issued):
    name = issued.key.id
    keys.rotate(name, DAY, "ada", "quarterly", NOW)
    keys.disable(name, "bob", "suspect", NOW)
    keys.enable(name, "bob", "cleared", NOW)
    keys.delete(name, "ada", "left", NOW)

    assert trail(records) == [
        (f"{verb}Key", "done") for verb in ("Issue", "Rotate", "Disable", "Enable", "Delete")
    ]
    begun = [one.value for one in records.find("audit", phase="begun")]
    assert {one["subject"] for one in begun} == {f"customer key {name}"}
    assert [one["actor"] for one in begun] == ["ada", "ada", "bob", "bob", "ada"]


def test_a_change_that_fails_is_audited_as_such(keys, records, issued, monkeypatch):
    def refuse(*_arguments):
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(records, "put", refuse)

    with pytest.raises(Unavailable):
        keys.disable(issued.key.id, "ada", "suspect", NOW)
    assert trail(records)[-1] == ("DisableKey", "failed")


@pytest.mark.parametrize(
    ("order", "why", "message"),
    [
        (Order(tenant=""), "x", "tenant"),
        (Order(tenant="a b"), "x", "tenant"),
        (Order(tenant="acme", label="a\nb"), "x", "label"),
        (Order(tenant="acme", scopes=()), "x", "scopes"),
        (Order(tenant="acme", scopes=("*",)), "x", "scope"),
        (Order(tenant="acme", scopes=("llm*",)), "x", "scope"),
        (Order(tenant="acme", quota=Quota(monthly_budget=Decimal(0))), "x", "a limit"),
        (Order(tenant="acme"), " ", "reason"),
        (Order(tenant="acme", expires_at=NOW), "x", "expired already"),
    ],
)
def test_terms_that_make_no_sense_are_refused_before_anything_is_written(
    keys, records, order, why, message
):
    with pytest.raises(Misconfigured, match=message):
        keys.issue(order, "ada", why, NOW)
    assert (records.find("customer_keys"), records.find("audit")) == ((), ())


# --- peppers -------------------------------------------------------------------------------------


def test_a_new_pepper_takes_over_at_the_next_use(records, issued):
    both = CustomerKeys(records, Environment.STAGING, Retention(), peppers(f"{NEW},{OLD}"))
    only_new = CustomerKeys(records, Environment.STAGING, Retention(), peppers(NEW))
    assert only_new.look_up(issued.raw, NOW).reason is Reason.WRONG_SECRET

    assert both.look_up(issued.raw, NOW) == issued.key

    (stored,) = records.find("customer_keys")
    assert [slot["pepper"] for slot in stored.value["secrets"]] == ["2"]
    assert only_new.look_up(issued.raw, NOW) == issued.key


def test_a_store_that_cannot_be_written_turns_no_customer_away(records, issued, monkeypatch):
    def refuse(*_arguments):
        raise Unavailable("read only")

    monkeypatch.setattr(records, "put", refuse)
    both = CustomerKeys(records, Environment.STAGING, Retention(), peppers(f"{NEW},{OLD}"))

    assert both.look_up(issued.raw, NOW) == issued.key


def test_a_stolen_store_is_worth_nothing_without_the_pepper(records, issued):
    other = CustomerKeys(records, Environment.STAGING, Retention(), peppers("1:" + "x" * 40))

    assert other.look_up(issued.raw, NOW).reason is Reason.WRONG_SECRET


@pytest.mark.parametrize(
    "text", ["", "short", "1:short", "a" * 40, "A:" + "a" * 40, f"{OLD},{OLD}", f"{OLD},x"]
)
def test_a_pepper_that_protects_nothing_is_refused_unseen(text):
    with pytest.raises(Misconfigured, match="TWINGUARD_KEY_PEPPER") as raised:
        peppers(text)
    assert not re.search(r"a{40}|o{40}", str(raised.value))


def test_without_a_pepper_keys_can_be_listed_but_not_checked(records, issued):
    blind = CustomerKeys(records, Environment.STAGING, Retention())

    assert [one.id for one in blind.find(NOW)] == [issued.key.id]
    with pytest.raises(Misconfigured, match="TWINGUARD_KEY_PEPPER is missing"):
        blind.look_up(issued.raw, NOW)


def test_no_form_of_printing_shows_a_secret(keys, issued):
    presented = rules.parsed(issued.raw)
    told = [f"{one!r} {one} {pretty_repr(one)}" for one in (issued, presented, peppers())]
    try:
        keys.enable(issued.raw, "ada", "pasted the key itself", NOW)
    except Misconfigured:
        told.append(traceback.format_exc())

    assert len(told) == 4
    assert [text for text in told if issued.raw.split("_")[3][:8] in text or "ooo" in text] == []
