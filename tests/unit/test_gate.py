# SPDX-License-Identifier: Apache-2.0
"""The gate lets a deployment through while there is room, and says why it does not."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import reporting
from twinguard.decide.gate import Verdict, bar, comment, ruled, stamp
from twinguard.decide.spend import BudgetStand, Forecast, Freshness, Overview
from twinguard.policy import Budget

NOW = dt.datetime(2026, 11, 12, 12, tzinfo=dt.UTC)
FRESH = Freshness(
    source="sample",
    through=dt.date(2026, 11, 10),
    newest=NOW - dt.timedelta(hours=10),
    lag=dt.timedelta(hours=36),
)
BUDGET = Budget(name="staging-budget", amount=Decimal(500))
OLD = replace(FRESH, newest=NOW - dt.timedelta(hours=73))
EMPTY = replace(FRESH, newest=None, through=None)


def month(basis: str, ahead: str | None = None, currency: str = "USD", **changes) -> Overview:
    forecast = None
    if ahead is not None:
        middle = Decimal(ahead)
        forecast = Forecast(
            spent=Decimal(basis),
            lowest=middle - 90,
            low=middle - 50,
            middle=middle,
            high=middle + 70,
            highest=middle + 110,
            method="",
            days=40,
        )
    stand = BudgetStand(
        name="staging-budget",
        amount=Decimal(500),
        currency=currency,
        basis=Decimal(basis),
        percent=Decimal(basis) / 5,
        crossed=(),
        next=None,
        burn=Decimal("21.5"),
        cap_percent=Decimal(100),
        reached_on=dt.date(2026, 11, 25),
        forecast=forecast,
    )
    return reporting.overview(budget=replace(stand, **changes))


def verdict(overview: Overview, freshness: Freshness = FRESH) -> Verdict:
    return ruled([overview], freshness, BUDGET, NOW).verdict


def test_the_exit_codes_are_those_that_pipelines_know():
    assert {one.name: one.value for one in Verdict} == {
        "ROOM": 0,
        "OVER": 1,
        "FORECAST_OVER": 2,
        "OLD": 3,
    }


@pytest.mark.parametrize(
    ("basis", "ahead", "wanted"),
    [
        ("499.99", "499.99", Verdict.ROOM),
        ("499.99", None, Verdict.ROOM),
        ("499.99", "500", Verdict.FORECAST_OVER),
        ("500", "500", Verdict.OVER),
        ("900", None, Verdict.OVER),
    ],
)
def test_the_cap_is_over_from_its_very_amount_on(basis, ahead, wanted):
    assert verdict(month(basis, ahead)) is wanted


def test_a_cap_below_the_budget_is_what_counts():
    assert verdict(month("400", "420", cap_percent=Decimal(80))) is Verdict.OVER
    assert verdict(month("300", "420", cap_percent=Decimal(80))) is Verdict.FORECAST_OVER
    assert verdict(month("400", "420", cap_percent=None)) is Verdict.ROOM


def test_what_is_over_is_over_however_old_and_a_forecast_from_old_data_says_nothing():
    for freshness, ahead in product((OLD, EMPTY), (None, "300", "600")):
        assert verdict(month("500", ahead), freshness) is Verdict.OVER
        assert verdict(month("200", ahead), freshness) is Verdict.OLD


def test_how_old_is_too_old_can_be_set():
    limit = dt.timedelta(hours=10)

    assert ruled([month("1")], FRESH, BUDGET, NOW, limit).verdict is Verdict.ROOM
    later = NOW + dt.timedelta(seconds=1)
    assert ruled([month("1")], FRESH, BUDGET, later, limit).verdict is Verdict.OLD


def test_without_a_budget_amount_there_is_room():
    for budget in (None, Budget(name="b")):
        ruling = ruled([replace(month("1"), budget=None)], OLD, budget, NOW)

        assert (ruling.verdict, ruling.stand) == (Verdict.ROOM, None)


def test_costs_in_another_currency_only_cannot_be_judged():
    euros = replace(month("1"), budget=None, currency="EUR")
    ruling = ruled([euros], FRESH, BUDGET, NOW)

    assert ruling.verdict is Verdict.OLD
    assert ruling.reason.startswith("staging-budget is in USD, but the costs are in: EUR.")
    assert "set budget.currency" in ruling.reason


@pytest.mark.parametrize(
    ("basis", "ahead", "freshness", "reason"),
    [
        ("200", "300", FRESH, "300.00 USD of staging-budget is left."),
        ("600", "900", FRESH, "600.00 USD is spent: staging-budget allows 500.00 USD."),
        (
            "200",
            "600",
            FRESH,
            "The month is likely to end at 600.00 USD: staging-budget allows 500.00 USD.",
        ),
        (
            "200",
            "600",
            OLD,
            (
                "The newest costs were written 73 hours ago, more than 72: "
                "see whether the billing export still runs."
            ),
        ),
        (
            "200",
            None,
            EMPTY,
            "There are no costs to judge by: see that the billing export is on.",
        ),
    ],
)
def test_the_reason_names_the_numbers_and_what_to_do(basis, ahead, freshness, reason):
    assert ruled([month(basis, ahead)], freshness, BUDGET, NOW).reason == reason


def test_the_comment_has_the_bar_the_numbers_and_how_far_the_data_reach():
    text = comment(ruled([month("205", "480")], FRESH, BUDGET, NOW), "staging")

    assert text == (
        "### Budget of staging: there is room\n\n"
        "295.00 USD of staging-budget is left.\n\n"
        "`████████░░░░░░░░░░░░ 41 %`\n\n"
        "| | |\n| --- | ---: |\n"
        "| Spent, before credits | 205.00 USD (41 %) |\n"
        "| Budget | 500.00 USD |\n"
        "| A typical day | 21.50 USD |\n"
        "| Month's end, likely | 480.00 USD (430.00 USD to 550.00 USD) |\n"
        "| 500.00 USD is reached | 2026-11-25 |\n\n"
        "Complete through 2026-11-10 (Pacific time); newest row 2026-11-12 02:00 UTC, from sample, "
        "known to be 36 hours late.\n"
    )


def test_the_comment_of_what_cannot_be_judged_has_no_numbers():
    ruling = ruled([replace(month("1"), budget=None)], EMPTY, None, NOW)

    assert comment(ruling, "ci") == (
        "### Budget of ci: there is room\n\n"
        "No budget amount is set, so nothing can be over it.\n\n"
        "No costs are known yet from sample.\n"
    )


def test_names_are_text_in_the_comment_and_nothing_else():
    hostile = replace(FRESH, source="<img src=x>\n# [x](y) `z` | @all")

    assert stamp(hostile).count("\n") == 0
    assert "\\<img src=x\\> \\# \\[x\\](y) \\`z\\` \\| \\@all" in stamp(hostile)


@given(st.decimals(-50, 300, places=3))
def test_the_bar_is_full_only_when_the_budget_is_used_up_and_empty_only_at_nothing(share):
    text = bar(share)
    filled, empty = text.count("█"), text.count("░")

    assert filled + empty == 20
    assert (filled == 20) is (share >= 100)
    assert (filled == 0) is (share <= 0)
