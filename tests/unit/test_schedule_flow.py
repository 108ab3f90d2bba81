# SPDX-License-Identifier: Apache-2.0
"""What the night and morning messages lead to."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from twinguard.decide.model import Kind, Push, Resource, Scaling, Strength, TakeHold, Why
from twinguard.errors import BadEvent, Unavailable
from twinguard.parse import Event
from twinguard.policy import Day, Schedule, Slot
from world import API, INGEST, STOPPED, WORKER, World, message
from world import POLICY as AWAKE

POLICY = msgspec.structs.replace(
    AWAKE,
    schedule=Schedule(
        time_zone="Europe/Brussels",
        night=Slot(at="02:00"),
        morning=Slot(at="06:30", days=tuple(Day)[:5]),
        services=("living-twin-api", "living-twin-worker"),
        subscriptions=("living-twin-ingest-push",),
    ),
)
TUESDAY_NIGHT = dt.datetime(2026, 11, 24, 1, 0, 5, tzinfo=dt.UTC)
TUESDAY_MORNING = dt.datetime(2026, 11, 24, 5, 30, 5, tzinfo=dt.UTC)
ASLEEP = {API: Scaling(maximum=20), WORKER: Scaling(maximum=5), INGEST: Push()}
NIGHT = "staging/night/2026-11-24"
FAILING = "staging/night-failing/2026-11-24"


def scheduled(task, at):
    return Event(f"{task}-{at.isoformat()}", at, b"", {"task": task})


def run(world, task, now, policy=POLICY):
    return world.pipeline(policy).on_schedule(scheduled(task, now), now)


def test_at_night_everything_sleeps_and_the_operations_team_hears_of_it():
    world = World()

    report = run(world, "night", TUESDAY_NIGHT)

    assert world.values == ASLEEP
    assert report.decision == "night 2026-11-24"
    assert world.identities() == [(NIGHT, 1, "opened")]
    assert world.titles() == ["staging sleeps"]
    assert world.published[0].lines == (
        "service living-twin-api: at least 2 instances → from zero instances",
        "service living-twin-worker: at least 1 instances → from zero instances",
        "subscription living-twin-ingest-push: pushing → paused",
    )


def test_in_the_morning_everything_is_put_back_exactly():
    world = World()
    run(world, "night", TUESDAY_NIGHT)

    run(world, "morning", TUESDAY_MORNING)

    assert world.values == World().values
    assert world.identities() == [(NIGHT, 1, "opened"), (NIGHT, 1_000_000, "ended")]


def test_a_night_message_that_comes_twice_does_its_work_once():
    world = World()
    run(world, "night", TUESDAY_NIGHT)
    world.values[API] = Scaling(minimum=1)  # somebody needs it tonight

    report = run(world, "night", TUESDAY_NIGHT + dt.timedelta(minutes=5))

    assert report.decision == "night 2026-11-24 is done already: changes nothing"
    assert world.values[API] == Scaling(minimum=1)


def test_a_night_message_that_comes_after_the_morning_changes_nothing():
    world = World()
    run(world, "night", TUESDAY_NIGHT)
    run(world, "morning", TUESDAY_MORNING)

    report = run(world, "night", TUESDAY_MORNING + dt.timedelta(hours=2))

    assert report.decision == "night is over or skipped: changes nothing"
    assert world.values == World().values


def test_a_morning_message_that_comes_at_night_wakes_nobody():
    world = World()
    run(world, "night", TUESDAY_NIGHT)

    run(world, "morning", TUESDAY_NIGHT + dt.timedelta(minutes=1))

    assert world.values == ASLEEP


def test_a_service_that_somebody_changed_at_night_is_left_as_they_set_it():
    world = World()
    run(world, "night", TUESDAY_NIGHT)
    world.values[WORKER] = Scaling(minimum=4, maximum=8)

    report = run(world, "morning", TUESDAY_MORNING)

    left = (
        "skipped: service living-twin-worker: was changed by somebody else "
        "(from zero instances → at least 4 instances)"
    )
    assert world.values == World().values | {WORKER: Scaling(minimum=4, maximum=8)}
    assert report.lines()[1] == left
    assert world.titles()[-1] == "staging is awake again: 1 left alone"
    assert world.published[-1].lines == (left,)


def test_the_morning_does_not_lift_a_budgets_cap():
    world = World()
    capped = message(512.5, hours=24 * 22)
    run(world, "night", TUESDAY_NIGHT)
    world.pipeline(POLICY).on_budget_alert(capped, TUESDAY_NIGHT)
    assert (world.values[WORKER], world.values[API]) == (STOPPED, ASLEEP[API])

    run(world, "morning", TUESDAY_MORNING)

    assert world.values == World().values | {WORKER: STOPPED, INGEST: Push()}


def test_a_cap_lifted_at_night_leaves_what_the_night_holds():
    world = World()
    run(world, "night", TUESDAY_NIGHT)
    world.pipeline(POLICY).on_budget_alert(message(512.5, hours=24 * 22), TUESDAY_NIGHT)

    december = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
    first = message(1, start=december)
    world.pipeline(POLICY).on_budget_alert(first, first.published_at)

    assert world.values == ASLEEP


def test_a_night_that_fails_is_tried_again_and_people_hear_of_it_once_a_night():
    world = World(broken={WORKER: 2})
    for _ in range(2):
        with pytest.raises(Unavailable, match="1 of 3 effects failed"):
            run(world, "night", TUESDAY_NIGHT)

    run(world, "night", TUESDAY_NIGHT)

    assert world.values == ASLEEP
    assert world.identities() == [
        (FAILING, 1, "opened"),
        (NIGHT, 1, "opened"),
        (FAILING, 1_000_000, "ended"),
    ]


def test_a_pull_subscription_cannot_be_paused_and_is_reported():
    world = World()
    world.values[INGEST] = Push()

    report = run(world, "night", TUESDAY_NIGHT)

    assert report.lines()[2] == (
        "skipped: subscription living-twin-ingest-push: "
        "has no push endpoint to pause; stop its consumer instead"
    )


def test_a_manual_service_sleeps_from_zero_instances_and_gets_its_count_back():
    world = World()
    world.values[WORKER] = Scaling(mode="manual", count=3)  # type: ignore[arg-type]
    before = dict(world.values)

    run(world, "night", TUESDAY_NIGHT)
    assert world.values[WORKER] == Scaling(maximum=3)

    run(world, "morning", TUESDAY_MORNING)
    assert world.values == before


def test_expired_records_are_deleted_on_schedule():
    world = World()
    run(world, "night", TUESDAY_NIGHT)

    run(world, "morning", TUESDAY_MORNING)

    report = run(world, "expire", TUESDAY_NIGHT + dt.timedelta(days=500))

    assert report.decision == "0 holds over, 15 records deleted"
    assert world.records.find("audit") == ()


@pytest.mark.parametrize("key", ["manual", "savings"])
def test_a_hold_by_hand_ends_when_it_was_said_to(key):
    world = World()
    until = TUESDAY_NIGHT + dt.timedelta(hours=2)
    why = Why(key, Strength.STOP, TUESDAY_NIGHT, until, "ops@example.com")
    action = TakeHold(Resource(Kind.SERVICE, WORKER), why)
    world.pipeline(POLICY).executor("ops").carry_out((action,), TUESDAY_NIGHT)

    run(world, "expire", until - dt.timedelta(minutes=1))
    assert world.values[WORKER] == STOPPED

    run(world, "expire", until)
    assert world.values == World().values


def test_a_night_whose_morning_never_came_ends_a_day_late():
    world = World()
    run(world, "night", TUESDAY_NIGHT)

    run(world, "expire", TUESDAY_MORNING + dt.timedelta(hours=23))
    assert world.values == ASLEEP

    run(world, "expire", TUESDAY_MORNING + dt.timedelta(days=1))
    assert world.values == World().values


@pytest.mark.parametrize(
    "changes",
    [
        {"skip": (dt.date(2026, 11, 24),)},
        {"night": Slot(at="22:00")},
        {"services": ()},
        None,
    ],
    ids=["skipped", "moved", "shortened", "removed"],
)
def test_a_schedule_edited_while_the_environment_sleeps_still_wakes_it(changes):
    world = World()
    run(world, "night", TUESDAY_NIGHT)
    schedule = changes and msgspec.structs.replace(POLICY.schedule, **changes)
    edited = msgspec.structs.replace(POLICY, schedule=schedule)

    run(world, "morning", TUESDAY_MORNING, edited)

    assert world.values == World().values


def test_a_clock_that_runs_a_little_ahead_loses_no_slot():
    world = World()
    run(world, "night", TUESDAY_NIGHT - dt.timedelta(seconds=6))
    assert world.values == ASLEEP

    run(world, "morning", TUESDAY_MORNING - dt.timedelta(seconds=6))
    assert world.values == World().values


def test_a_weekend_is_one_night_with_one_message():
    world = World()
    saturday = dt.datetime(2026, 11, 28, 1, 0, 5, tzinfo=dt.UTC)
    for day in range(3):
        run(world, "night", saturday + dt.timedelta(days=day))

    run(world, "morning", dt.datetime(2026, 11, 30, 5, 30, 5, tzinfo=dt.UTC))

    weekend = "staging/night/2026-11-28"
    assert world.identities() == [(weekend, 1, "opened"), (weekend, 1_000_000, "ended")]
    assert world.values == World().values


def test_a_morning_whose_message_was_not_taken_says_the_same_when_it_comes_again():
    world = World()
    run(world, "night", TUESDAY_NIGHT)
    world.values[WORKER] = Scaling(minimum=4)
    world.deaf = 1
    with pytest.raises(Unavailable):
        run(world, "morning", TUESDAY_MORNING)

    run(world, "morning", TUESDAY_MORNING)

    assert world.titles() == ["staging sleeps", "staging is awake again: 1 left alone"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            scheduled("nap", TUESDAY_NIGHT),
            (
                "task 'nap' is unknown; the tasks are night, morning, expire, rotate, costs, "
                "report and reconcile"
            ),
        ),
        (
            Event("1", TUESDAY_NIGHT, b'{"task": 3}', {}),
            "the schedule message names no task; send the attribute task=night",
        ),
    ],
)
def test_a_schedule_message_without_a_task_we_know_is_refused(event, reason):
    with pytest.raises(BadEvent) as refusal:
        World().pipeline(POLICY).on_schedule(event, TUESDAY_NIGHT)

    assert str(refusal.value) == reason


def test_an_environment_without_a_schedule_refuses_the_message_with_a_remedy():
    with pytest.raises(BadEvent, match="staging has no schedule; add one to its policy"):
        run(World(), "night", TUESDAY_NIGHT, AWAKE)


def test_the_control_plane_is_never_held_even_if_asked_by_hand():
    world = World()
    name = f"{API.rsplit('/', 1)[0]}/twinguard-staging-on-budget-alert"
    world.values[name] = Scaling(minimum=1)
    pipeline = world.pipeline(POLICY)
    why = Why("manual", Strength.STOP, TUESDAY_NIGHT, None, "ops@example.com")
    action = TakeHold(Resource(Kind.SERVICE, name), why)

    (result,) = pipeline.executor("ops@example.com").carry_out((action,), TUESDAY_NIGHT)

    assert (result.outcome, result.detail) == (
        "skipped",
        "belongs to Twinguard's own control plane",
    )
