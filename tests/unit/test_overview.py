# SPDX-License-Identifier: Apache-2.0
"""An overview adds up to the last digit, compares like with like and never adds currencies."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twinguard.decide.money import change, money, percent, rounded
from twinguard.decide.months import ONE, before, days_from, last_of, month_of, same_day
from twinguard.decide.overview import anomalies_in, driver_query, overviews, queries
from twinguard.decide.spend import Anomaly, Day, Dimension, Driver, Freshness, Line, Query, Share
from twinguard.decide.stands import burn_rate, limit_of, stand
from twinguard.policy import Budget, Cap, Level, Threshold

NOVEMBER, OCTOBER = dt.date(2026, 11, 1), dt.date(2026, 10, 1)
THROUGH = dt.date(2026, 11, 10)
DAY, TYPE, SERVICE, TENANT = (
    Dimension.DAY,
    Dimension.COST_TYPE,
    Dimension.SERVICE,
    Dimension.TENANT,
)
BUDGET = Budget(
    name="b",
    amount=Decimal(500),
    currency="USD",
    thresholds=tuple(
        Threshold(percent=Decimal(p), level=Level.HIGH) for p in ("12.5", "25", "50", "100")
    ),
    cap=Cap(enabled=True),
)
FRESH = Freshness(
    source="sample",
    through=THROUGH,
    newest=dt.datetime(2026, 11, 11, 20, tzinfo=dt.UTC),
    lag=dt.timedelta(hours=36),
)


def line(
    day: dt.date, name: str | None, cost: str, credit: str = "0", currency: str = "USD"
) -> Line:
    return Line(
        keys=(day.isoformat(), name),
        currency=currency,
        cost=Decimal(cost),
        credits=Decimal(credit),
    )


def steady(name: str | None, cost: str = "10", credit: str = "-1", **more) -> list[Line]:
    return [line(day, name, cost, credit, **more) for day in days_from(OCTOBER, THROUGH)]


def seen(by: dict[Dimension, list[Line]], freshness=FRESH, budget=BUDGET, anomalies=()):
    asked = queries("staging", NOVEMBER)
    answers = {query: tuple(by.get(query.by[1], ())) for query in asked}
    return overviews("staging", NOVEMBER, answers, freshness, budget, anomalies)


def test_the_queries_reach_three_months_back_and_to_the_month_s_end():
    asked = queries("staging", dt.date(2026, 2, 14), (SERVICE, TENANT), project="p")

    assert asked == tuple(
        Query(
            by=(DAY, dimension),
            first=dt.date(2025, 11, 1),
            last=dt.date(2026, 2, 28),
            environment="staging",
            project="p",
        )
        for dimension in (TYPE, SERVICE, TENANT)
    )


def test_a_month_adds_up_and_is_compared_with_as_many_days_of_the_month_before():
    tax = [line(dt.date(2026, 10, 31), "tax", "7.77"), line(NOVEMBER, "rounding_error", "-0.01")]
    today = line(THROUGH + ONE, "regular", "0.123456789")
    services = [
        *steady("run", "8"),
        *steady(None, "2", "0"),
        replace(today, keys=(today.keys[0], "run")),
    ]
    (one,) = seen({TYPE: [*steady("regular"), *tax, today], SERVICE: services})

    assert (one.environment, one.currency, one.month, one.as_of) == (
        "staging",
        "USD",
        NOVEMBER,
        THROUGH,
    )
    assert (one.spent, one.cost, one.credits) == (
        Decimal("90.113456789"),
        Decimal("100.113456789"),
        Decimal(-10),
    )
    assert (one.same_days_before, one.month_before) == (90, Decimal("286.77"))
    assert one.by_cost_type == (
        Share(
            name="regular",
            net=Decimal("90.123456789"),
            before=Decimal(90),
            complete=Decimal(90),
        ),
        Share(name="rounding_error", net=Decimal("-0.01"), before=Decimal(0)),
    )
    assert one.parts[SERVICE] == (
        Share(
            name="run",
            net=Decimal("70.123456789"),
            before=Decimal(70),
            complete=Decimal(70),
        ),
        Share(name=None, net=Decimal(20), before=Decimal(20)),
    )
    assert one.days[0] == Day(NOVEMBER, Decimal("8.99"))
    assert one.days[-1] == Day(THROUGH + ONE, Decimal("0.123456789"))
    assert one.forecast.spent == one.spent == sum(day.amount for day in one.days)
    assert one.forecast.middle == pytest.approx(Decimal("277.76"), abs=Decimal("0.2"))
    assert (one.movers, one.notes, one.other_currencies) == ((), (), ())


def test_the_budget_counts_cost_before_credits_and_forecasts_it():
    (one,) = seen({TYPE: steady("regular", "20", "-15")})

    assert one.spent == 50
    assert (one.budget.basis, one.budget.percent) == (200, 40)
    assert (one.budget.crossed, one.budget.next) == ((Decimal("12.5"), 25), 50)
    assert (one.budget.burn, one.budget.reached_on) == (20, dt.date(2026, 11, 25))
    assert (one.budget.forecast.middle, one.forecast.middle) == (600, 150)


def test_movers_are_the_largest_changes_of_complete_days_in_both_directions():
    moved = {"a": 90, "b": 80, "c": 70, "d": 60, "e": -50, "f": -60, "g": -70, "h": -80, "i": 0}
    rows = [
        *(line(OCTOBER, name, "100") for name in moved),
        *(line(NOVEMBER, name, str(100 + by)) for name, by in moved.items()),
        line(THROUGH + ONE, "i", "1000"),
        line(dt.date(2026, 10, 11), "i", "1000"),
    ]
    (one,) = seen({TYPE: steady("regular"), SERVICE: rows})

    assert [mover.name for mover in one.movers] == ["a", "b", "c", "h", "g", "f"]
    assert one.movers[0] == Driver(name="a", before=Decimal(100), after=Decimal(190))


def test_what_is_gone_is_a_part_of_nothing_now():
    (one,) = seen({TYPE: steady("regular"), SERVICE: [line(OCTOBER, None, "5")]})

    assert one.parts[SERVICE] == (Share(name=None, net=Decimal(0), before=Decimal(5)),)
    assert one.movers == (Driver(name="unattributed", before=Decimal(5), after=Decimal(0)),)


def test_currencies_stand_beside_each_other_and_a_mismatch_is_said():
    rows = [*steady("regular"), *steady("regular", "100", currency="EUR")]
    dollars, euros = seen({TYPE: rows, SERVICE: steady("run", currency="EUR")})

    assert (dollars.currency, dollars.spent, dollars.other_currencies) == (
        "USD",
        90,
        (("EUR", Decimal(990)),),
    )
    assert (euros.currency, euros.spent, euros.budget) == ("EUR", 990, None)
    assert euros.notes == (
        "b is in USD: costs in EUR are not compared with it, and currencies are never added.",
    )
    assert (dollars.parts[SERVICE], len(euros.parts[SERVICE])) == ((), 1)


def test_nothing_at_all_is_an_overview_of_zeros_that_says_why_it_has_no_forecast():
    nothing = replace(FRESH, through=None, newest=None)
    (one,) = seen({}, nothing)

    assert (one.spent, one.as_of, one.days, one.forecast) == (0, None, (), None)
    assert (one.budget.basis, one.budget.burn, one.budget.reached_on) == (0, 0, None)
    assert one.notes == ("no costs are known yet: there is nothing to forecast from",)


def test_before_a_month_s_first_complete_day_nothing_is_compared():
    (one,) = seen(
        {TYPE: steady("regular"), SERVICE: steady("run")},
        replace(FRESH, through=dt.date(2026, 10, 31)),
    )

    assert (one.as_of, one.same_days_before, one.movers) == (dt.date(2026, 10, 31), 0, ())
    assert one.month_before == 279


def test_without_a_budget_amount_the_spend_is_only_watched():
    (one,) = seen({TYPE: steady("regular")}, budget=Budget(name="b"))

    assert one.budget is None
    assert one.notes == ("No budget amount is set: the spend is watched, not compared.",)


def test_corrections_are_added_up():
    rows = [replace(row, corrections=Decimal("-0.5")) for row in steady("regular")]
    (one,) = seen({TYPE: rows})

    assert one.corrections == -5


def test_anomalies_are_looked_for_by_service_tenant_and_model_and_shown_in_their_month():
    spike = [*steady("run", "40"), line(THROUGH, "run", "500")]
    asked = queries("staging", NOVEMBER)
    answers = {q: spike if q.by[1] in {TYPE, SERVICE, Dimension.PROJECT} else () for q in asked}
    (found,) = anomalies_in(answers, FRESH, NOVEMBER)
    earlier = replace(found, date=OCTOBER)
    euros = replace(found, currency="EUR")
    (one,) = overviews("staging", NOVEMBER, answers, FRESH, BUDGET, (found, earlier, euros))

    assert (found.dimension, found.date, found.actual) == (SERVICE, THROUGH, 539)
    assert one.anomalies == (found,)
    assert anomalies_in(answers, replace(FRESH, through=None), NOVEMBER) == ()


def test_drivers_are_asked_for_by_the_next_finer_dimension():
    found = Anomaly(
        dimension=SERVICE,
        name="run",
        date=THROUGH,
        currency="USD",
        actual=Decimal(9),
        expected=Decimal(1),
        limit=Decimal(2),
        score=Decimal(9),
    )

    assert driver_query(found, "staging") == Query(
        by=(DAY, SERVICE, Dimension.SKU),
        first=dt.date(2026, 10, 13),
        last=THROUGH,
        environment="staging",
    )
    assert driver_query(replace(found, dimension=Dimension.KEY), None) is None


def test_answers_to_other_questions_are_left_out():
    asked = queries("staging", NOVEMBER, ())
    drivers = Query(by=(DAY, TYPE, SERVICE), first=OCTOBER, last=NOVEMBER)
    answers = {asked[0]: steady("regular"), drivers: steady("wrong", "999")}

    assert overviews("staging", NOVEMBER, answers, FRESH, BUDGET)[0].spent == 90


amounts = st.decimals("-1e9", "1e9", places=9)
rows = st.lists(
    st.builds(
        lambda n, name, cost, credit: Line(
            keys=((OCTOBER + n * ONE).isoformat(), name),
            currency="USD",
            cost=cost,
            credits=-abs(credit),
        ),
        st.integers(0, 60),
        st.sampled_from([None, "a", "b"]),
        amounts,
        amounts,
    ),
    max_size=30,
)


@given(rows)
def test_every_view_of_a_month_has_the_same_total(lines):
    for one in seen({TYPE: lines, SERVICE: lines, TENANT: lines}):
        exact = sum((o.net for o in lines if o.keys[0] >= "2026-11-01"), Decimal(0))
        views = [one.by_cost_type, one.parts[SERVICE], one.parts[TENANT]]

        assert [sum((s.net for s in v), Decimal(0)) for v in views] == [exact] * 3
        assert one.cost + one.credits == one.spent == exact
        assert sum((day.amount for day in one.days), Decimal(0)) == exact


# --- budgets --------------------------------------------------------------------------------------


def spent(*values: int, first: dt.date = NOVEMBER) -> dict[dt.date, Decimal]:
    return {first + n * ONE: Decimal(value) for n, value in enumerate(values)}


def test_the_burn_rate_is_a_week_without_its_dearest_and_its_cheapest_day():
    assert burn_rate(spent(9, 9, 10, 10, 10, 10, 10, 900, 0), NOVEMBER + 8 * ONE) == 10
    assert burn_rate(spent(10, 20), NOVEMBER + ONE) == 15
    assert burn_rate(spent(10, 20), None) == burn_rate({}, NOVEMBER) == 0


@pytest.mark.parametrize(
    ("daily", "reached"),
    [
        (100, dt.date(2026, 11, 5)),  # it was, on its fifth day
        (40, dt.date(2026, 11, 13)),
        (17, dt.date(2026, 11, 30)),
        (16, None),
        (0, None),
    ],
)
def test_the_cap_is_reached_when_the_burn_rate_goes_on(daily, reached):
    found = stand(BUDGET, spent(*[daily] * 10), NOVEMBER, THROUGH)

    assert found.reached_on == reached


def test_the_cap_s_own_percentage_counts_and_the_whole_budget_without_a_cap():
    half = replace(BUDGET, cap=Cap(enabled=True, percent=Decimal(50)))
    none = replace(BUDGET, cap=Cap(enabled=False, percent=Decimal(50)))
    days = spent(*[20] * 10)
    with_half, without = (stand(b, days, NOVEMBER, THROUGH) for b in (half, none))

    assert (with_half.cap_percent, limit_of(with_half), with_half.reached_on.day) == (50, 250, 13)
    assert (without.cap_percent, limit_of(without), without.reached_on.day) == (None, 500, 25)


def test_what_is_known_of_an_incomplete_day_is_a_part_of_it():
    days = spent(*[20] * 10, 5)

    assert stand(BUDGET, days, NOVEMBER, THROUGH).reached_on == dt.date(2026, 11, 25)
    assert stand(BUDGET, days, NOVEMBER, THROUGH).basis == 205


def test_a_month_that_ended_below_the_cap_never_reaches_it():
    assert stand(BUDGET, spent(*[16] * 30), NOVEMBER, dt.date(2026, 12, 5)).reached_on is None


# --- calendar and words ---------------------------------------------------------------------------


@given(st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1)))
def test_months_follow_each_other(date):
    last = last_of(date)

    assert month_of(last) == month_of(date)
    assert month_of(last + ONE) == last + ONE
    assert before(last + ONE) == month_of(date)
    assert same_day(date, before(date)).day == min(date.day, last_of(before(date)).day)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("1234.56", "USD", "1,234.56 USD"),
        ("-0.5", "EUR", "-0.50 EUR"),
        ("-0.001", "USD", "0.00 USD"),
        ("0.125", "USD", "0.12 USD"),
        ("0.135", "USD", "0.14 USD"),
        ("1234.5", "JPY", "1,234 JPY"),
        ("1235.5", "JPY", "1,236 JPY"),
        ("1.2345", "KWD", "1.234 KWD"),
        ("1.2355", "KWD", "1.236 KWD"),
        (
            "12345678901234567890123456789.005",
            "USD",
            "12,345,678,901,234,567,890,123,456,789.00 USD",
        ),
        ("1", "XYZ", "1.00 XYZ"),
    ],
)
def test_money_is_written_in_whole_minor_units_half_to_even(amount, currency, text):
    assert money(Decimal(amount), currency) == text


@given(st.decimals("-1e12", "1e12", places=9), st.sampled_from(["USD", "JPY", "KWD"]))
def test_rounding_moves_an_amount_by_half_a_minor_unit_at_most(amount, currency):
    unit = {"USD": Decimal("0.01"), "JPY": Decimal(1), "KWD": Decimal("0.001")}[currency]
    found = rounded(amount, currency)

    assert abs(found - amount) <= unit / 2
    assert found % unit == 0


def test_changes_and_shares_are_written_with_what_they_are_shares_of():
    assert change(Decimal(60), Decimal(72), "USD") == "+12.00 USD (+20 %)"
    assert change(Decimal(60), Decimal(57), "USD") == "-3.00 USD (-5.0 %)"
    assert change(Decimal(0), Decimal(12), "USD") == "+12.00 USD"
    assert change(Decimal(5), Decimal(5), "USD") == "0.00 USD (0.0 %)"
    assert [percent(Decimal(p)) for p in ("0.04", "9.94", "75.4", "1234")] == [
        "0.0 %",
        "9.9 %",
        "75 %",
        "1,234 %",
    ]
