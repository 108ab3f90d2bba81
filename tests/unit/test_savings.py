# SPDX-License-Identifier: Apache-2.0
"""What is chosen to be saved: only what may be held, and never twice."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twinguard.decide import holds
from twinguard.decide.inventory import Inventory, RunService, Subscription, floor
from twinguard.decide.model import (
    Hold,
    Kind,
    Live,
    Mode,
    Outcome,
    Push,
    Resource,
    Scaling,
    Strength,
    TakeHold,
    Why,
)
from twinguard.decide.savings import savings
from twinguard.policy import Policy

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
PROJECT = "projects/living-twin-dev"
API = Resource(Kind.SERVICE, f"{PROJECT}/locations/europe-west1/services/api")
INGEST = Resource(Kind.SUBSCRIPTION, f"{PROJECT}/subscriptions/ingest")
WHY = Why("savings", Strength.IDLE, NOW, NOW + 3 * DAY, "ada")
ENDLESS = Why("savings", Strength.IDLE, NOW, None, "ada")
POLICY = msgspec.convert(
    {
        "environment": "development",
        "project": {"id": "living-twin-dev"},
        "region": "europe-west1",
        "services": {"api": {"critical": False}},
        "subscriptions": {"ingest": {"critical": False}},
    },
    Policy,
)


def service(scaling):
    return RunService(name=API.name, labels={}, scaling=scaling, cpu=Decimal(1), memory=Decimal(1))


def subscription(oldest, *, pushes=True):
    return Subscription(
        name=INGEST.name,
        labels={},
        topic=f"{PROJECT}/topics/orders",
        pushes=pushes,
        exports=False,
        detached=False,
        retention=7 * DAY,
        expires=None,
        dead_letter="",
        oldest=oldest,
    )


def chosen(scaling=None, oldest=None, held=(), allowed=(API, INGEST), *, pushes=True):
    services = () if scaling is None else (service(scaling),)
    read = Inventory(
        at=NOW,
        services=services,
        subscriptions=(subscription(oldest, pushes=pushes),),
        holds={hold.resource.name: hold for hold in held},
    )
    return savings(POLICY, read, allowed, WHY)


def test_a_service_that_keeps_instances_goes_idle_without_an_end():
    (one,) = chosen(Scaling(minimum=2))

    assert one.action == TakeHold(API, ENDLESS)
    assert one.month == Decimal("26.28")


def test_a_subscription_that_pushes_in_vain_is_paused_for_a_while():
    (one,) = chosen(oldest=2 * DAY)

    assert (one.action, one.month) == (TakeHold(INGEST, WHY), None)


def test_what_costs_nothing_is_left_as_it_is():
    assert chosen(Scaling(), oldest=DAY) == ()
    assert chosen(Scaling(Mode.MANUAL)) == ()
    assert chosen(oldest=2 * DAY, pushes=False) == ()


def test_nothing_is_touched_that_may_not_be_held():
    assert chosen(Scaling(minimum=2), oldest=2 * DAY, allowed=()) == ()


def test_what_is_asleep_for_the_night_is_saved_for_the_days_as_well():
    night = Why("night", Strength.IDLE, NOW, NOW + DAY, "schedule")
    held = Hold(API, Scaling(minimum=2), (Scaling(),), (night,))

    (one,) = chosen(Scaling(), held=(held,))

    assert one.action == TakeHold(API, ENDLESS)
    assert one.month == Decimal("26.28")


def test_what_a_person_set_to_zero_under_a_hold_has_nothing_left_to_save():
    held = Hold(API, Scaling(minimum=2), (Scaling(),), (ENDLESS,))

    assert chosen(Scaling(maximum=4), held=(held,)) == ()


def test_a_service_that_is_gone_is_not_asked_for_again():
    held = Hold(API, Scaling(minimum=2), (Scaling(),), (ENDLESS,))

    assert chosen(held=(held,)) == ()


def test_asking_again_prolongs_no_pause():
    earlier = Why("savings", Strength.IDLE, NOW - DAY, NOW + DAY, "bob")
    pushing = Push('{"pushEndpoint":"https://a.example"}')
    held = Hold(INGEST, pushing, (Push(),), (earlier,))

    (one,) = chosen(held=(held,), oldest=2 * DAY, pushes=False)

    assert one.action.why.until == earlier.until
    step = holds.take(held, INGEST, Live(Push(), patience=5 * DAY), one.action.why, NOW)
    assert (step.outcome, step.hold) == (Outcome.ALREADY, None)


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_what_is_chosen_ends_at_zero_instances_and_comes_back_exactly(
    whole, revision, count, manual
):
    before = (
        Scaling(Mode.MANUAL, count=count)
        if manual
        else Scaling(minimum=whole, maximum=9, revision_minimum=revision)
    )
    actions = chosen(before)

    assert bool(actions) == bool(floor(before))
    for one in actions:
        taken = holds.take(None, API, Live(before), one.action.why, NOW)
        settled = holds.settled(taken.hold, NOW)
        assert floor(taken.writes[-1]) == 0
        assert taken.writes[-1].mode is Mode.AUTOMATIC
        dropped = holds.drop(settled, Live(taken.writes[-1]), "savings", NOW)
        assert dropped.writes[-1] == before
