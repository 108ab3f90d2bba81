# SPDX-License-Identifier: Apache-2.0
"""A forecast holds what is spent, knows weeks, growth and monthly charges, and admits its doubt."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spending
from twinguard.decide.charges import split
from twinguard.decide.forecast import month_end
from twinguard.decide.months import ONE, days_from, last_of, month_of, per_day, total
from twinguard.decide.spend import Day, Forecast

AUGUST = dt.date(2026, 8, 1)
NOVEMBER = dt.date(2026, 11, 1)


def steady(first: dt.date, last: dt.date, amount: str = "10") -> list[Day]:
    return [Day(date, Decimal(amount)) for date in days_from(first, last)]


def month_ends(month: dt.date) -> list[dt.date]:
    return days_from(last_of(month) - 2 * ONE, last_of(month))


def forecast(days, month=NOVEMBER, as_of=None, charges=()) -> Forecast:
    found = month_end(days, month, as_of or max(day.date for day in days), charges)
    assert found.forecast is not None
    return found.forecast


@pytest.mark.parametrize(
    ("month", "length"),
    [
        (dt.date(2026, 2, 1), 28),
        (dt.date(2028, 2, 1), 29),
        (dt.date(2026, 11, 1), 30),
        (dt.date(2026, 12, 1), 31),
    ],
)
def test_a_steady_spend_ends_at_its_day_times_the_month_s_length(month, length):
    found = forecast(steady(month - 60 * ONE, month + 9 * ONE), month)

    assert (found.spent, found.low, found.middle, found.high) == (
        100,
        *([Decimal(10 * length)] * 3),
    )
    assert found.days == 70


def test_a_month_of_which_nothing_is_known_yet_is_forecast_from_the_one_before():
    found = forecast(steady(AUGUST, dt.date(2026, 10, 31)))

    assert (found.spent, found.middle) == (0, 300)


def test_a_month_that_is_over_is_what_was_spent():
    days = spending.series(spending.flat, 1, AUGUST, dt.date(2026, 12, 20))
    spent = total(per_day(days), NOVEMBER, last_of(NOVEMBER))
    found = forecast(days)

    assert (found.spent, found.low, found.middle, found.high) == (spent, spent, spent, spent)


def test_the_last_days_of_a_month_may_still_grow_but_not_shrink():
    days = [*steady(AUGUST, dt.date(2026, 11, 29)), Day(dt.date(2026, 11, 30), Decimal(4))]
    found = forecast(days)

    assert found.spent == 294
    assert 294 <= found.low < found.high <= 300


def test_rows_that_are_late_are_taken_to_come():
    late = [Day(dt.date(2026, 11, 9), Decimal(9)), Day(dt.date(2026, 11, 10), Decimal(4))]
    found = forecast([*steady(AUGUST, dt.date(2026, 11, 8)), *late])

    assert found.spent == 93
    assert 298 < found.middle <= found.highest <= 301


def test_a_level_that_fell_for_days_is_not_taken_for_late_rows():
    fallen = steady(dt.date(2026, 11, 5), dt.date(2026, 11, 12), "2")
    found = forecast([*steady(AUGUST, dt.date(2026, 11, 4)), *fallen])

    assert found.middle < 56 + 18 * 4


def test_a_day_that_is_not_complete_is_a_floor():
    today = dt.date(2026, 11, 11)
    past = steady(AUGUST, dt.date(2026, 11, 10))
    less, more = [*past, Day(today, Decimal(3))], [*past, Day(today, Decimal(40))]

    assert forecast(less, as_of=today - ONE).middle == 300
    assert forecast(more, as_of=today - ONE).middle == 330


def test_without_any_costs_there_is_no_forecast_but_a_reason():
    for days, as_of in (((), NOVEMBER), (steady(NOVEMBER, NOVEMBER), None)):
        found = month_end(days, NOVEMBER, as_of)

        assert found.forecast is None
        assert found.reason.startswith("no costs are known yet")


def test_costs_of_zero_are_forecast_as_zero():
    found = forecast(steady(NOVEMBER, dt.date(2026, 11, 20), "0"))

    assert (found.low, found.middle, found.high) == (0, 0, 0)


@pytest.mark.parametrize("count", range(1, 7))
def test_few_days_give_a_wide_interval_and_say_so(count):
    found = forecast(steady(NOVEMBER, NOVEMBER + (count - 1) * ONE))

    assert found.middle == 300
    assert found.low < 210
    assert found.high > 400
    assert "too few" in found.method


def test_fewer_days_are_trusted_less():
    widths = [
        (found := forecast(steady(NOVEMBER, NOVEMBER + n * ONE))).high - found.low for n in range(6)
    ]

    assert widths == sorted(widths, reverse=True)


def test_days_without_rows_were_free():
    weekdays = [day for day in steady(AUGUST, dt.date(2026, 11, 8)) if day.date.weekday() < 5]
    found = forecast(weekdays, as_of=dt.date(2026, 11, 8))

    assert found.spent == 50
    assert abs(found.middle - 10 * 21) < Decimal("1.2")  # November 2026 has 21 working days


def test_credits_that_turn_days_negative_are_forecast_as_such():
    found = forecast(steady(AUGUST, dt.date(2026, 11, 10), "-5"))

    assert found.low == found.middle == found.high == -150


# --- monthly charges ------------------------------------------------------------------------------


def test_a_subscription_on_the_first_is_not_taken_for_a_daily_cost():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    bills = [Day(dt.date(2026, month, 1), Decimal(500)) for month in (8, 9, 10, 11)]
    found = forecast([*days, *bills])

    assert (found.spent, found.low, found.middle, found.high) == (600, 800, 800, 800)


def test_the_first_subscription_of_all_is_not_extrapolated_either():
    found = forecast([*steady(NOVEMBER, dt.date(2026, 11, 12)), Day(NOVEMBER, Decimal(500))])

    assert found.middle == 800


def test_a_charge_on_the_last_day_is_expected_again_whatever_the_month_s_length():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    bills = [Day(dt.date(2026, 9, 30), Decimal(90)), Day(dt.date(2026, 10, 31), Decimal(90))]

    assert forecast([*days, *bills]).middle == 390


def test_a_charge_in_mid_month_is_one_when_it_comes_twice():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    once = [Day(dt.date(2026, 10, 15), Decimal(90))]
    twice = [*once, Day(dt.date(2026, 9, 15), Decimal(95))]

    assert forecast([*days, *once]).middle < 320
    assert forecast([*days, *twice]).middle == 390


def test_jobs_of_a_month_s_last_days_are_expected_there_again():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    ends = [date for month in (8, 9, 10) for date in month_ends(dt.date(2026, month, 1))]
    found = forecast([*days, *(Day(date, Decimal(40)) for date in ends)])

    assert (found.low, found.middle, found.high) == (420, 420, 420)


def test_jobs_that_differ_from_month_to_month_leave_a_doubt():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    jobs = [Day(dt.date(2026, m, d), Decimal(a)) for m, d, a in ((9, 30, 90), (10, 31, 60))]
    found = forecast([*days, *jobs])

    assert found.middle == 360
    assert found.lowest < found.low < 340
    assert found.highest > found.high > 380


def test_a_spike_at_a_month_s_edge_is_no_charge_where_spikes_come_anyhow():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    spikes = [Day(dt.date(2026, 11, 1) - n * ONE, Decimal(60)) for n in (0, 9, 23, 34, 50, 61)]
    found = forecast([*days, *spikes])

    assert "monthly charges" not in found.method
    assert 360 < found.middle < 480


def test_tax_rows_are_charges_however_small_they_are():
    days = steady(AUGUST, dt.date(2026, 11, 10))
    tax = [Day(dt.date(2026, 10, 31), Decimal("2.10"))]
    found = forecast([*days, *tax], charges=tax)

    assert found.middle == Decimal("302.10")
    assert "monthly charges" in found.method


def test_a_charge_that_is_there_already_is_not_expected_again():
    days = steady(AUGUST, dt.date(2026, 11, 20))
    tax = [Day(dt.date(2026, month, 12), Decimal(2)) for month in (10, 11)]

    assert forecast([*days, *tax], charges=tax).middle == 302


amounts = st.decimals(min_value=0, max_value=1000, places=2)


@given(st.lists(amounts, min_size=20, max_size=60))
def test_splitting_off_charges_loses_nothing(values):
    series = {AUGUST + n * ONE: value for n, value in enumerate(values)}
    daily, monthly = split(series, {AUGUST: Decimal(1)}, AUGUST, max(series))

    assert sum(daily.values()) + sum(monthly.values()) == sum(values)


# --- what always holds ----------------------------------------------------------------------------

pasts = st.tuples(
    st.lists(amounts, min_size=1, max_size=100),
    st.dates(dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
)


def dated(values, as_of) -> list[Day]:
    return [Day(as_of - n * ONE, value) for n, value in enumerate(values)]


@settings(max_examples=60, deadline=None)
@given(pasts)
def test_the_interval_is_in_order_and_never_below_what_is_spent(past):
    values, as_of = past
    found = forecast(dated(values, as_of), as_of)

    assert found.spent <= found.lowest <= found.low <= found.middle <= found.high <= found.highest


@settings(max_examples=40, deadline=None)
@given(st.lists(st.decimals(-500, 500, places=2), min_size=1, max_size=90))
def test_with_credits_the_interval_is_still_in_order(values):
    found = forecast(dated(values, dt.date(2026, 11, 14)))

    assert found.lowest <= found.low <= found.middle <= found.high <= found.highest


@settings(max_examples=40, deadline=None)
@given(pasts, st.randoms())
def test_the_order_of_the_days_does_not_matter(past, chance):
    values, as_of = past
    days = dated(values, as_of)
    shuffled = chance.sample(days, len(days))

    assert month_end(shuffled, as_of, as_of) == month_end(days, as_of, as_of)


@settings(max_examples=40, deadline=None)
@given(pasts)
def test_amounts_in_another_unit_give_the_same_forecast_in_that_unit(past):
    values, as_of = past
    one = forecast(dated(values, as_of), as_of)
    more = forecast(dated([1024 * value for value in values], as_of), as_of)

    for before, after in ((one.low, more.low), (one.middle, more.middle), (one.high, more.high)):
        assert abs(1024 * before - after) <= Decimal("0.002")


@settings(max_examples=30, deadline=None)
@given(st.decimals("0.01", 900, places=2), st.integers(1, 30), st.integers(30, 90))
def test_one_more_day_of_the_past_at_the_same_price_changes_nothing(price, day, length):
    as_of = NOVEMBER.replace(day=day)
    one = forecast(steady(as_of - length * ONE, as_of, str(price)))
    more = forecast(steady(as_of - length * ONE - ONE, as_of, str(price)))

    assert abs(one.middle - 30 * price) <= Decimal("0.00001")
    assert abs(more.middle - one.middle) <= Decimal("0.00001")


# --- against what really came ---------------------------------------------------------------------

SHAPES = {
    "flat": (spending.flat, 1.0),
    "weekly": (spending.flat, 0.3),
    "growing": (spending.growing, 0.5),
    "stepping": (spending.stepping, 0.6),
    "spiky": (spending.spiky, 1.0),
    "ramping": (spending.ramping, 0.6),
}


@functools.cache
def judged_months(name: str) -> list[tuple[Forecast, Decimal, dt.date]]:
    """Forecasts of thirty or more months, made on two days of each, and what they came to."""
    shape, weekend = SHAPES[name]
    found = []
    for seed in range(3 if name == "stepping" else 4):
        last = dt.date(2025, 2, 28) if name != "ramping" else dt.date(2024, 10, 31)
        days = spending.series(shape, seed, last=last, weekend=weekend)
        known, month = per_day(days), dt.date(2024, 3, 1)
        while month < last:
            actual = total(known, month, last_of(month))
            for as_of in (month.replace(day=8), month.replace(day=17)):
                past = [day for day in days if as_of - 130 * ONE <= day.date <= as_of]
                found.append((forecast(past, month), actual, as_of))
            month = month_of(last_of(month) + ONE)
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_the_interval_holds_about_eight_months_of_ten(name):
    months = judged_months(name)
    held = [found.low <= actual <= found.high for found, actual, _ in months]

    assert len(months) >= 60
    assert 0.70 <= fmean(held) <= 0.97


@pytest.mark.parametrize("name", SHAPES)
def test_the_middle_is_nearer_than_the_run_rate_where_there_is_a_week_or_growth(name):
    months = judged_months(name)
    ours = fmean(abs(float(found.middle / actual) - 1) for found, actual, _ in months)
    naive = fmean(
        abs(float(found.spent / as_of.day * last_of(as_of).day / actual) - 1)
        for found, actual, as_of in months
    )

    if name in {"weekly", "growing", "ramping"}:
        assert ours < 0.8 * naive
    assert ours < 1.1 * naive
