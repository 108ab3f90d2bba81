# SPDX-License-Identifier: Apache-2.0
"""Nights and mornings, across weekends, holidays and clock changes."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twinguard.decide.hours import fell_asleep_at, is_asleep, night_of, wakes_at
from twinguard.policy import Day, Schedule, Slot

BRUSSELS = ZoneInfo("Europe/Brussels")
WORKDAYS = tuple(Day)[:5]
NIGHTLY = Schedule(
    time_zone="Europe/Brussels",
    night=Slot(at="02:00"),
    morning=Slot(at="06:30", days=WORKDAYS),
)


def local(text: str, fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=BRUSSELS, fold=fold).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("moment", "asleep"),
    [
        ("2026-11-23T01:59:59", True),  # the weekend's sleep still goes on
        ("2026-11-23T06:29:59", True),
        ("2026-11-23T06:30:00", False),
        ("2026-11-24T01:59:59", False),
        ("2026-11-24T02:00:00", True),
        ("2026-11-28T12:00:00", True),  # Saturday: no morning before Monday
        ("2026-11-29T12:00:00", True),
        ("2026-11-30T06:30:00", False),
    ],
)
def test_the_environment_sleeps_from_each_night_to_the_next_morning_that_has_one(moment, asleep):
    assert is_asleep(NIGHTLY, local(moment)) is asleep


def test_a_night_on_friday_ends_on_monday():
    assert wakes_at(NIGHTLY, local("2026-11-28T02:00:00")) == local("2026-11-30T06:30:00")


def test_a_night_that_the_spring_clock_change_skips_starts_when_the_gap_ends():
    """On 2026-03-29 clocks in Brussels go from 02:00 to 03:00: 02:00 never happens."""
    before = dt.datetime(2026, 3, 29, 0, 59, 59, tzinfo=dt.UTC)
    after = dt.datetime(2026, 3, 29, 1, 0, 0, tzinfo=dt.UTC)
    workday_mornings = Schedule(
        time_zone="Europe/Brussels", night=Slot(at="02:00"), morning=Slot(at="06:30")
    )

    assert (is_asleep(workday_mornings, before), is_asleep(workday_mornings, after)) == (
        False,
        True,
    )


def test_a_night_that_the_autumn_clock_change_repeats_is_one_night():
    """On 2026-10-25 02:00 happens at 00:00Z and again at 01:00Z."""
    first, second = local("2026-10-25T02:00:00"), local("2026-10-25T02:00:00", fold=1)
    daily = Schedule(time_zone="Europe/Brussels", night=Slot(at="02:00"), morning=Slot(at="06:30"))

    assert second - first == dt.timedelta(hours=1)
    assert (fell_asleep_at(daily, first), fell_asleep_at(daily, second)) == (first, first)
    assert (night_of(daily, first), night_of(daily, second)) == ("2026-10-25", "2026-10-25")


def test_the_nights_of_a_weekend_are_one_that_began_on_saturday():
    monday = local("2026-11-30T05:00:00")

    assert fell_asleep_at(NIGHTLY, monday) == local("2026-11-28T02:00:00")
    assert night_of(NIGHTLY, monday) == "2026-11-28"


def test_a_skipped_date_is_not_slept_through():
    launch = Schedule(
        time_zone="Europe/Brussels",
        night=Slot(at="02:00"),
        morning=Slot(at="06:30"),
        skip=(dt.date(2026, 11, 24),),
    )

    assert is_asleep(launch, local("2026-11-24T03:00:00")) is False
    assert is_asleep(launch, local("2026-11-25T03:00:00")) is True


def test_a_fortnight_of_skipped_nights_leaves_the_environment_awake():
    start = dt.date(2026, 11, 1)
    holiday = Schedule(
        time_zone="Europe/Brussels",
        night=Slot(at="02:00"),
        morning=Slot(at="06:30", days=(Day.MON,)),
        skip=tuple(start + dt.timedelta(days=n) for n in range(60)),
    )

    assert fell_asleep_at(holiday, local("2026-12-10T03:00:00")) is None
    assert is_asleep(holiday, local("2026-12-10T03:00:00")) is False


moments = st.datetimes(
    dt.datetime(2026, 1, 1),  # noqa: DTZ001 - the zone is added below
    dt.datetime(2028, 1, 1),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
schedules = st.builds(
    Schedule,
    time_zone=st.sampled_from(["Europe/Brussels", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"]),
    night=st.builds(
        Slot, at=st.just("02:00"), days=st.sets(st.sampled_from(Day), min_size=1).map(tuple)
    ),
    morning=st.builds(
        Slot, at=st.just("06:30"), days=st.sets(st.sampled_from(Day), min_size=1).map(tuple)
    ),
)


@given(schedules, moments)
def test_whoever_wakes_at_a_morning_is_awake_then(schedule, now):
    morning = wakes_at(schedule, now)

    assert morning > now
    assert is_asleep(schedule, morning) is False


@given(schedules, moments)
def test_sleep_starts_at_a_night_and_lasts_until_now(schedule, now):
    night = fell_asleep_at(schedule, now)
    assume(night is not None)

    assert night <= now < wakes_at(schedule, night)
    assert is_asleep(schedule, night) is True
    assert is_asleep(schedule, night - dt.timedelta(seconds=1)) is False
