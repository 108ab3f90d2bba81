# SPDX-License-Identifier: Apache-2.0
"""What budget messages lead to, in a world that can fail, die, and deliver them in any order."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinguard.decide.budgets import ENVIRONMENT
from twinguard.decide.model import (
    Breaker,
    DropHold,
    Kind,
    Push,
    Resource,
    Scaling,
    Strength,
    TakeHold,
    Why,
)
from twinguard.errors import BadEvent, Conflict, Unavailable
from twinguard.parse import Event
from twinguard.policy import Events, Release, Target
from world import (
    API,
    INGEST,
    POLICY,
    PUSHING,
    STARTED,
    STOPPED,
    WORKER,
    Died,
    Mortal,
    World,
    message,
)

DECEMBER = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
CAP = "staging/cap/environment/2026-11-01T07Z.1"
RUNGS = "staging/budget/environment/2026-11-01T07Z"


def now_of(event):
    return event.published_at + dt.timedelta(minutes=1)


def deliver(world, *events, policy=POLICY, **kwargs):
    """Deliver each event once; the last report."""
    report = None
    for event in events:
        report = world.pipeline(policy, **kwargs).on_budget_alert(event, now_of(event))
    return report


def with_cap(**changes):
    cap = msgspec.structs.replace(POLICY.budget.cap, **changes)
    return msgspec.structs.replace(POLICY, budget=msgspec.structs.replace(POLICY.budget, cap=cap))


def with_amount(amount):
    budget = msgspec.structs.replace(POLICY.budget, amount=amount)
    return msgspec.structs.replace(POLICY, budget=budget)


def breaker(world):
    stored = world.records.get("breakers", "cost")
    return msgspec.convert(stored.value, Breaker) if stored else Breaker()


def test_spend_below_every_threshold_changes_and_tells_nothing():
    world, before = World(), dict(World().values)

    report = deliver(world, message(100))

    assert report.decision == "within: 100.0 of 500 USD"
    assert (world.values, world.published) == (before, [])


def test_a_threshold_tells_people_once_and_changes_nothing():
    """BerriAI/litellm#3738, #27398, PR #7546: an alert with every request, or for every token."""
    world = World()

    deliver(world, message(380), message(381, hours=2), message(381, hours=2))

    assert world.identities() == [(RUNGS, 7500, "opened")]
    assert world.titles() == ["living-twin-staging-budget passed 75 %: 380.00 of 500 USD (76 %)"]
    assert world.writes == []


def test_a_jump_over_two_thresholds_is_one_message_that_names_both():
    world = World()

    deliver(world, message(460))

    assert world.identities() == [(RUNGS, 9000, "opened")]
    assert "passed 75 % and 90 %" in world.titles()[0]


def test_the_cap_trips_the_breaker_stops_what_is_not_critical_and_spares_the_rest():
    world = World()

    report = deliver(world, message(512.5))

    assert world.values == {API: Scaling(minimum=2, maximum=20), WORKER: STOPPED, INGEST: Push()}
    assert breaker(world).open
    assert world.identities() == [(CAP, 1, "opened")]
    assert world.published[0].lines == (
        "Thresholds passed: 75 %, 90 % and 100 %.",
        "cost breaker: open",
        "service living-twin-worker: at least 1 instances → stopped",
        "subscription living-twin-ingest-push: pushing → paused",
    )
    assert report.decision == "capped: 512.5 of 500 USD"


def test_without_the_opt_in_nothing_that_serves_is_stopped():
    world = World()

    deliver(world, message(512.5), policy=with_cap(stop_serving=False))

    assert world.values[WORKER] == Scaling(maximum=5)
    assert not breaker(world).open


def test_a_cap_that_is_switched_off_only_tells():
    world = World()

    deliver(world, message(512.5), policy=with_cap(enabled=False))

    assert world.writes == []
    assert world.identities() == [(RUNGS, 10000, "opened")]


def test_a_forecast_only_warns():
    world = World()

    deliver(world, message(100, forecast=1.0), message(101, hours=2, forecast=1.2))

    assert world.writes == []
    assert world.identities() == [("staging/forecast/environment/2026-11-01T07Z", 10000, "opened")]


def test_an_effect_that_fails_is_an_error_and_is_never_reported_as_done():
    world = World(broken={WORKER: 99})

    with pytest.raises(Unavailable, match="1 of 3 effects failed: FAILED: service living-twin-w"):
        deliver(world, message(512.5))

    assert world.values[INGEST] == Push()  # the others go on
    assert breaker(world).open
    assert [alert.incident.split("/")[1] for alert in world.published] == ["cap", "enforcement"]
    assert world.published[0].lines[3] == (
        f"FAILED: service living-twin-worker: {WORKER} does not answer"
    )


def test_a_redelivery_completes_what_failed_and_says_so_once():
    world = World(broken={WORKER: 1})
    event = message(512.5)
    with pytest.raises(Unavailable):
        deliver(world, event)

    deliver(world, event, event)

    assert world.values[WORKER] == STOPPED
    assert [(i.split("/")[1], state) for i, _, state in world.identities()] == [
        ("cap", "opened"),
        ("enforcement", "opened"),
        ("enforcement", "ended"),
    ]


def test_a_topic_that_is_down_loses_no_alert_and_undoes_no_effect():
    world = World(deaf=1)
    event = message(512.5)
    with pytest.raises(Unavailable):
        deliver(world, event)
    writes = list(world.writes)

    deliver(world, event, event)

    assert world.writes == writes
    assert world.identities() == [(CAP, 1, "opened")]


def test_a_new_period_restores_everything_exactly_and_ends_the_incidents():
    world = World()

    deliver(world, message(380), message(512.5, hours=2), message(0, start=DECEMBER))

    assert world.values == World().values
    assert not breaker(world).open
    assert world.identities() == [
        (RUNGS, 7500, "opened"),
        (CAP, 1, "opened"),
        (RUNGS, 1_000_000, "ended"),
        (CAP, 1_000_000, "ended"),
    ]


def test_a_late_message_of_the_old_period_changes_nothing():
    world = World()
    deliver(world, message(380), message(1, start=DECEMBER))
    published = list(world.published)

    report = deliver(world, message(900, hours=2))

    assert report.decision == "a message of an earlier period: changes nothing"
    assert (world.values, world.published) == (World().values, published)


def test_two_confirming_reads_lift_the_cap_and_one_does_not():
    world = World()
    deliver(world, message(512.5), message(480, hours=2))
    assert world.values[WORKER] == STOPPED

    deliver(world, message(481, hours=3))

    assert world.values == World().values
    assert not breaker(world).open
    assert world.identities() == [(CAP, 1, "opened"), (CAP, 1_000_000, "ended")]


def test_the_same_reading_delivered_twice_confirms_nothing():
    world = World()
    deliver(world, message(512.5), message(480, hours=2), message(480, hours=2))

    assert world.values[WORKER] == STOPPED


def test_two_readings_of_the_same_minute_count_as_one():
    world = World()
    deliver(world, message(512.5), message(480, hours=2), message(481, hours=2.1))

    assert world.values[WORKER] == STOPPED


def test_a_cap_that_was_lifted_trips_again_as_a_new_incident():
    world = World()
    deliver(world, message(512.5), message(480, hours=2), message(481, hours=3))

    deliver(world, message(530, hours=4))

    assert world.values[WORKER] == STOPPED
    assert world.identities()[-1] == (f"{CAP[:-1]}2", 1, "opened")


def test_raising_the_budget_lifts_the_cap_and_tells_nobody_again():
    world = World()
    deliver(world, message(512.5))

    later = [message(513, hours=2, amount=1000), message(514, hours=3, amount=1000)]
    deliver(world, *later, policy=with_amount(1000))

    assert world.values == World().values
    assert world.identities() == [(CAP, 1, "opened"), (CAP, 1_000_000, "ended")]


def test_lowering_the_budget_alerts_nobody_again_but_enforces_the_cap():
    world = World()
    deliver(world, message(380))

    deliver(world, message(380, hours=2, amount=379), policy=with_amount(379))

    assert world.values[WORKER] == STOPPED
    assert world.identities() == [(RUNGS, 7500, "opened"), (CAP, 1, "opened")]
    assert "Thresholds passed" not in world.published[1].lines[0]


def test_a_person_who_starts_a_stopped_service_again_is_not_overruled():
    world = World()
    deliver(world, message(512.5))
    world.values[WORKER] = Scaling(minimum=3)

    deliver(world, message(513, hours=2))
    assert world.values[WORKER] == Scaling(minimum=3)

    report = deliver(world, message(0, start=DECEMBER))
    assert world.values[WORKER] == Scaling(minimum=3)
    assert (
        "skipped: service living-twin-worker: was changed by somebody else "
        "(stopped → at least 3 instances)" in report.lines()
    )


def test_a_person_lifts_the_cap_until_spend_grows_on():
    world = World()
    deliver(world, message(512.5))

    world.pipeline(POLICY).lift("ops@example.com", STARTED + dt.timedelta(hours=2))
    assert world.values == World().values

    deliver(world, message(560, hours=3))
    assert world.values == World().values

    deliver(world, message(562.5, hours=4))
    assert world.values[WORKER] == STOPPED


def test_withdrawing_the_opt_in_lets_the_service_serve_again_while_the_cap_holds():
    world = World()
    deliver(world, message(512.5))

    deliver(world, message(513, hours=2), policy=with_cap(stop_serving=False))

    assert world.values[WORKER] == Scaling(maximum=5)
    assert not breaker(world).open


def test_a_service_that_becomes_critical_is_put_back_while_the_cap_holds():
    world = World()
    deliver(world, message(512.5))
    critical = POLICY.services | {"living-twin-worker": Target(critical=True)}

    policy = msgspec.structs.replace(POLICY, services=critical)
    deliver(world, message(513, hours=2), policy=policy)

    assert world.values == World().values | {INGEST: Push()}


def test_a_cap_can_be_lifted_after_the_budget_left_the_policy():
    world = World()
    deliver(world, message(512.5))

    policy = msgspec.structs.replace(POLICY, budget=None)
    world.pipeline(policy).lift("ops@example.com", STARTED + dt.timedelta(hours=2))

    assert world.values == World().values
    assert not breaker(world).open


def test_a_budget_that_google_made_anew_goes_on_where_the_old_one_was():
    world = World()
    deliver(world, message(512.5))

    deliver(world, message(1, start=DECEMBER, budget_id="another-id"))

    assert world.values == World().values
    assert not breaker(world).open


def test_a_person_who_started_a_capped_service_again_is_not_overruled_after_a_night():
    world = World()
    deliver(world, message(512.5))
    world.values[WORKER] = Scaling(minimum=3)
    night = Why("night", Strength.IDLE, STARTED, STARTED + dt.timedelta(hours=30), "schedule")
    action = TakeHold(Resource(Kind.SERVICE, WORKER), night)
    world.pipeline(POLICY).executor("schedule").carry_out((action,), STARTED)
    assert world.values[WORKER] == Scaling()

    deliver(world, message(513, hours=25))
    assert world.values[WORKER] == Scaling()

    drop = DropHold(action.resource, "night")
    world.pipeline(POLICY).executor("schedule").carry_out((drop,), STARTED)
    assert world.values[WORKER] == Scaling(minimum=3)


def test_what_was_not_put_back_is_reported_with_the_end_of_the_cap():
    world = World()
    deliver(world, message(512.5))
    world.values[WORKER] = Scaling(minimum=3)

    deliver(world, message(0, start=DECEMBER))

    assert world.published[-1].title.endswith("the cap of the period from 01 November ends")
    assert world.published[-1].lines == (
        (
            "skipped: service living-twin-worker: was changed by somebody else "
            "(stopped → at least 3 instances)"
        ),
    )


def test_the_end_of_a_cap_is_told_only_when_everything_is_put_back():
    world = World()
    deliver(world, message(512.5))
    world.broken[WORKER] = 1
    first = message(0, start=DECEMBER)
    with pytest.raises(Unavailable):
        deliver(world, first)
    assert (CAP, 1_000_000, "ended") not in world.identities()

    deliver(world, first)

    assert (CAP, 1_000_000, "ended") in world.identities()
    assert world.values == World().values


def test_a_cap_that_goes_on_into_a_new_period_holds_until_that_one_ends():
    world = World()
    deliver(world, message(512.5))
    world.patience = dt.timedelta(days=20)

    deliver(world, message(600, start=DECEMBER))

    assert world.values[WORKER] == STOPPED
    assert world.values[INGEST] == PUSHING  # January is too far for it
    assert breaker(world).open_by == (
        (ENVIRONMENT, "living-twin-staging-budget is used up in the period from 2026-12-01"),
    )


def test_a_service_that_comes_later_is_held_too_and_people_hear_of_it():
    world = World()
    worker = world.values.pop(WORKER)
    deliver(world, message(512.5))
    world.values[WORKER] = worker

    deliver(world, message(513, hours=2))

    assert world.values[WORKER] == STOPPED
    assert world.identities()[-1] == (CAP, 2, "opened")
    assert world.published[-1].lines == (
        "service living-twin-worker: at least 1 instances → stopped",
    )


def test_a_cap_whose_period_is_long_over_is_lifted_without_a_message():
    world = World()
    deliver(world, message(512.5))

    event = Event("expire", DECEMBER, b"", {"task": "expire"})
    world.pipeline(POLICY).on_schedule(event, DECEMBER + dt.timedelta(days=1, minutes=1))

    assert world.values == World().values
    assert not breaker(world).open


def test_a_person_who_lifts_a_cap_while_it_is_being_enforced_has_the_last_word():
    world = World()
    deliver(world, message(512.5))
    pipeline = world.pipeline(POLICY)
    stale = pipeline.journal.budget(ENVIRONMENT)
    pipeline.lift("ops@example.com", STARTED + dt.timedelta(hours=2))

    with pytest.raises(Conflict):
        pipeline._enforce(stale, POLICY.budget, "a slow instance", STARTED)

    deliver(world, message(513, hours=3))
    assert world.values == World().values


def test_people_hear_that_billing_is_unlinked_before_it_is():
    world = World()
    policy = with_cap(unlink_billing=True)
    world.deaf = 99

    with pytest.raises(Unavailable):
        deliver(world, message(512.5), policy=policy, may_unlink="living-twin-staging")

    assert world.linked
    world.deaf = 0
    deliver(world, message(512.5), policy=policy, may_unlink="living-twin-staging")
    assert not world.linked
    assert world.published[0].lines[-1] == (
        "billing of living-twin-staging: comes off its billing account next"
    )


def test_people_hear_when_google_takes_the_budget_for_another_amount():
    world = World()
    deliver(world, message(100, amount=50), message(101, hours=2, amount=50))

    assert world.titles() == ["Google's living-twin-staging-budget is 50 USD, the policy's is 500"]


def test_a_budget_that_counts_a_longer_period_is_reported():
    world = World()
    deliver(world, message(100, hours=72))

    october = dt.datetime(2026, 10, 1, 7, tzinfo=dt.UTC)
    report = deliver(world, message(5000, start=october, hours=24 * 35))

    assert report.decision == "a message of an earlier period: changes nothing"
    assert world.titles() == [
        "living-twin-staging-budget counts a longer period than before; its cap has no effect"
    ]


def test_two_anomalies_of_one_day_are_both_told():
    world = World()
    for scope in ("projects/1", "projects/2"):
        attributes = {"SchemaVersion": "1.0", "scope": scope}
        event = Event(scope, STARTED, b'{"detectionDate": "2026-11-01"}', attributes)
        world.pipeline(POLICY).on_budget_alert(event, STARTED)

    assert len(set(world.identities())) == 2


def test_a_pause_that_would_lose_messages_is_refused_and_reported():
    world = World(patience=dt.timedelta(days=7))

    deliver(world, message(512.5))

    assert world.values[INGEST] == PUSHING
    assert world.published[0].lines[3] == (
        "skipped: subscription living-twin-ingest-push: is not paused until 2026-12-01 08:00 UTC: "
        "it keeps unread messages for 168 h more and could lose them; raise "
        "message_retention_duration or pause it for less"
    )


def test_a_service_that_does_not_exist_is_skipped_and_reported():
    world = World()
    del world.values[WORKER]

    deliver(world, message(512.5))

    assert "skipped: service living-twin-worker: does not exist" in world.published[0].lines


@pytest.mark.parametrize(
    ("switch", "linked"), [("", True), ("another-project", True), ("living-twin-staging", False)]
)
def test_billing_is_unlinked_only_behind_two_switches(switch, linked):
    world = World()

    deliver(world, message(512.5), policy=with_cap(unlink_billing=True), may_unlink=switch)

    assert world.linked is linked


def test_billing_that_a_person_linked_again_stays_linked():
    world = World()
    policy = with_cap(unlink_billing=True)
    deliver(world, message(512.5), policy=policy, may_unlink="living-twin-staging")
    world.linked = True

    deliver(world, message(513, hours=2), policy=policy, may_unlink="living-twin-staging")

    assert world.linked is True


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            message(1, budget="another"),
            (
                "budget 'another' is not in the policy of staging; its budget is "
                "'living-twin-staging-budget': rename one of them"
            ),
        ),
        (
            message(1, currencyCode="EUR"),
            (
                "budget 'living-twin-staging-budget' counts in EUR, the policy in USD; "
                "set budget.currency to the billing account's"
            ),
        ),
    ],
)
def test_a_budget_that_is_not_the_policys_is_refused_with_a_remedy(event, reason):
    with pytest.raises(BadEvent) as refusal:
        deliver(World(), event)

    assert str(refusal.value) == reason


def test_a_message_older_than_the_policy_allows_is_refused():
    event = message(512.5)

    with pytest.raises(BadEvent, match="is older than 1 day"):
        World().pipeline(POLICY).on_budget_alert(event, event.published_at + dt.timedelta(days=2))


# --- any order, any number of times, any death ---------------------------------------------------

costs = st.integers(0, 700)
readings = st.lists(costs, min_size=1, max_size=10)


def final_state(world):
    """All that must not depend on the order of delivery; the number of trips is history."""
    stored = world.records.get("budgets", ENVIRONMENT)
    fields = {k: stored.value[k] for k in ("period_start", "peak", "readings", "tripped", "outbox")}
    return fields, world.values, breaker(world).open


@st.composite
def deliveries(draw):
    """Messages of one period in the order of publishing, and an order of delivery with repeats."""
    events = [message(cost, hours=1 + n / 2, id=f"m{n}") for n, cost in enumerate(draw(readings))]
    repeats = draw(st.lists(st.sampled_from(events), max_size=6))
    return events, draw(st.permutations([*events, *repeats]))


releases = st.builds(
    Release, reads=st.integers(1, 5), apart_minutes=st.sampled_from([0, 10, 30, 60, 240])
)


@settings(max_examples=2500, deadline=None)
@given(deliveries(), releases)
@pytest.mark.parametrize("part", range(4))
def test_the_order_and_the_repeats_of_messages_never_matter(part, delivery, release):
    events, shuffled = delivery
    straight, mixed = World(), World()
    policy = with_cap(release=release)

    deliver(straight, *events, policy=policy)
    for event in shuffled:
        mixed.pipeline(policy).on_budget_alert(event, events[-1].published_at)

    assert final_state(mixed) == final_state(straight)
    assert len(set(mixed.identities())) == len(mixed.identities())
    peak = max(event_cost(event) for event in events)
    passed = [rung for rung in (75, 90, 100) if peak >= 5 * rung]
    assert told_rungs(mixed) == told_rungs(straight) == passed


def event_cost(event):
    return msgspec.json.decode(event.data)["costAmount"]


def told_rungs(world):
    """Every threshold named by any opening message, as often as it is named."""
    named = []
    for alert in world.published:
        lines = [alert.title.partition(": ")[0], *(li for li in alert.lines if "passed" in li)]
        for line in lines if alert.state == "opened" else ():
            named += [r for r in (75, 90, 100) if f"{r} %" in line and "passed" in line]
    return sorted(named)


@settings(max_examples=1500, deadline=None)
@given(deliveries(), st.data())
def test_a_process_that_dies_anywhere_and_gets_its_messages_again_ends_the_same(delivery, data):
    events, shuffled = delivery
    straight, mortal = World(), World()
    deliver(straight, *events)

    for event in shuffled:
        die = data.draw(st.integers(1, 25))
        mortal.life = Mortal(dies_at=die, after=data.draw(st.booleans()))
        try:
            mortal.pipeline(POLICY).on_budget_alert(event, events[-1].published_at)
        except Died:
            mortal.life = Mortal()
            mortal.pipeline(POLICY).on_budget_alert(event, events[-1].published_at)
        mortal.life = Mortal()

    assert final_state(mortal) == final_state(straight)
    assert told_rungs_once(mortal) == told_rungs(straight)


def told_rungs_once(world):
    """The same, with messages of one identity counted once: that is what `dispatch.py` does."""
    seen, first = set(), World()
    for alert in world.published:
        if (alert.incident, alert.step, alert.state) not in seen:
            seen.add((alert.incident, alert.step, alert.state))
            first.published.append(alert)
    return told_rungs(first)


@settings(max_examples=500, deadline=None)
@given(readings, st.integers(0, 700), st.randoms())
def test_a_new_period_always_ends_where_everything_began(spent, first, random):
    old = [message(cost, hours=1 + n / 2, id=f"o{n}") for n, cost in enumerate(spent)]
    new = message(first % 370, start=DECEMBER, id="n0")
    world = World()
    deliver(world, *old)
    patient = msgspec.structs.replace(POLICY, events=Events(max_age_hours=744))

    late = [new, *random.sample(old, k=random.randint(0, len(old)))]
    for event in late:
        world.pipeline(patient).on_budget_alert(event, new.published_at)

    assert world.values == World().values
    assert not breaker(world).open
