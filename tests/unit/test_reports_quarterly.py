# SPDX-License-Identifier: Apache-2.0
"""The quarterly review asks what the numbers ask, and says what it looked at besides."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from msgspec.structs import replace

import reporting
from reporting import DECEMBER, NOVEMBER, OCTOBER, budget, freshness, overview, shares
from twinguard.decide.spend import Anomaly, Dimension, Driver, Forecast
from twinguard.policy import Alerts, Environment
from twinguard.provisions import Secret
from twinguard.reports.document import Checklist, Document, Table, shown
from twinguard.reports.quarterly import quarterly


def tables(document: Document) -> dict[str, Table]:
    blocks = [block for section in document.sections for block in section.blocks]
    return {block.caption: block for block in blocks if isinstance(block, Table)}


def decisions(document: Document) -> list[tuple[str, str]]:
    blocks = [block for section in document.sections for block in section.blocks]
    lists = [block for block in blocks if isinstance(block, Checklist)]
    return [(item.topic, item.text) for found in lists for item in found.items]


def review(*months, policy=None) -> Document:
    return quarterly(months, policy or reporting.policy())


def three(**changes) -> list:
    return [overview(month, **changes) for month in (OCTOBER, NOVEMBER, DECEMBER)]


def test_a_quiet_quarter_asks_nothing_and_shows_what_was_looked_at():
    months = three(
        spent=Decimal(240), budget=replace(budget(Decimal(240), amount="400"), crossed=())
    )

    document = review(*months)

    assert decisions(document) == []
    assert [
        shown(row.cells[0]) for row in tables(document)["Looked at, nothing to decide"].rows
    ] == [
        "Budget",
        "Capacity",
        "Security baselines",
        "Scaling settings",
        *["Security baselines"] * 2,
    ]


def test_a_budget_half_used_for_three_months_is_to_be_lowered():
    [(topic, text)] = decisions(review(*three()))

    assert topic == "Budget"
    assert text == (
        "Lower the budget of 500.00 USD to about 130.00 USD: in three months at most "
        "100.00 USD (20 %) was used, so it would warn late."
    )


def test_a_budget_that_growth_will_need_is_not_lowered():
    months = [
        overview(month, spent=Decimal(spent))
        for month, spent in zip((OCTOBER, NOVEMBER, DECEMBER), (60, 110, 200), strict=True)
    ]

    assert [topic for topic, _ in decisions(review(*months))] == ["Capacity"]


def test_two_months_are_too_few_to_lower_a_budget():
    assert decisions(review(*three()[:2])) == []


def test_a_budget_used_up_names_the_month_and_an_amount():
    months = three()
    months[1] = overview(NOVEMBER, spent=Decimal(640))

    text = dict(decisions(review(*months)))["Budget"]

    assert text.startswith("Raise the budget of 500.00 USD to about 800.00 USD, or cut what grew")
    assert "used up in November 2026 (128 %)" in text


def test_thresholds_come_with_what_grew_most():
    mover = Driver(name="gpt-4.1", before=Decimal(10), after=Decimal(90))
    months = [*three()[:2], overview(DECEMBER, spent=Decimal(260), movers=(mover,))]

    text = dict(decisions(review(*months)))["Thresholds"]

    assert text == (
        "The budget reached 50 % in December 2026. gpt-4.1 grew most, by 80.00 USD. "
        "Cut it, or keep it as planned."
    )


def test_a_missing_budget_is_to_be_set():
    policy = replace(reporting.policy(), budget=None)

    document = review(*three(budget=None), policy=policy)

    assert dict(decisions(document))["Budget"] == (
        "Set a budget: the last month cost 100.00 USD and nothing would stop more."
    )
    assert "Budget: none is known in USD." in document.not_covered


@pytest.mark.parametrize(("low", "verb"), [("450", "may"), ("520", "will")])
def test_a_forecast_over_the_budget_is_to_be_acted_on(low, verb):
    ahead = Forecast(
        spent=Decimal(300),
        lowest=Decimal(low) - 20,
        low=Decimal(low),
        middle=Decimal(530),
        high=Decimal(560),
        highest=Decimal(580),
        method="",
        days=60,
    )
    last = overview(DECEMBER, forecast=ahead, freshness=freshness(dt.date(2026, 12, 15)))

    text = dict(decisions(review(*three()[:2], last)))["Forecast"]

    assert text.startswith(f"December 2026 {verb} end above its budget of 500.00 USD (forecast ")


def test_growth_beyond_the_budget_is_planned_for():
    months = [
        overview(month, spent=Decimal(spent))
        for month, spent in zip((OCTOBER, NOVEMBER, DECEMBER), (100, 200, 400), strict=True)
    ]

    text = dict(decisions(review(*months)))["Capacity"]

    assert "at 100 % a month its last month comes to 3,200.00 USD" in text
    assert "Provide about 4,000.00 USD" in text


def test_unlabelled_costs_above_the_limit_are_to_be_labelled():
    limit, above = (
        {Dimension.TENANT: shares({"acme": str(100 - share), None: str(share)})} for share in (5, 6)
    )

    assert "Cost allocation" not in dict(decisions(review(*three(parts=limit))))
    assert dict(decisions(review(*three(parts=above))))["Cost allocation"] == (
        "Label costs by customer: 6.0 % (6.00 USD) names no customer in December 2026."
    )


def test_a_model_that_grew_and_a_new_one_are_asked_about():
    first = {Dimension.MODEL: shares({"a": "50", "b": "50"})}
    last = {Dimension.MODEL: shares({"a": "60", "b": "30", "new|": "10"})}
    months = [*three(parts=first)[:2], overview(DECEMBER, parts=last)]

    found = [text for topic, text in decisions(review(*months)) if topic == "Model selection"]

    assert found == [
        "a went from 50 % to 60 % of the spend: would a cheaper model do for a part of it?",
        "new| (10 % of the spend) is new this quarter: is it the cheapest model that does the job?",
    ]


def test_unexplained_days_are_to_be_explained():
    odd = Anomaly(
        dimension=Dimension.KEY,
        name="key-7",
        date=dt.date(2026, 12, 5),
        currency="USD",
        actual=Decimal(80),
        expected=Decimal(5),
        limit=Decimal(10),
        score=Decimal(9),
    )

    text = dict(decisions(review(*three()[:2], overview(DECEMBER, anomalies=(odd,)))))

    assert text["Security baselines"] == (
        "Explain 1 unexplained day of spend (the largest: API key key-7 on 2026-12-05, 80.00 USD "
        "where 5.00 USD was expected), or treat them as a stolen key."
    )


def test_the_policys_settings_are_reviewed():
    known = reporting.policy()
    policy = replace(
        known,
        schedule=None,
        secrets=known.secrets
        | {"openai-api-key": Secret(readers=("application",), rotation_days=90)},
        alerts=Alerts(routes={}),
    )

    found = decisions(review(*three(), policy=policy))

    assert ("Security baselines", "Renew openai-api-key at least every 31 days.") in found
    assert (
        "Security baselines",
        "Route alerts of level low, medium, high and critical: they reach nobody.",
    ) in found
    assert any(
        topic == "Scaling settings" and text.endswith("run all night: add to schedule.services.")
        for topic, text in found
    )


@pytest.mark.parametrize(
    "months", [(OCTOBER, DECEMBER), (dt.date(2026, 9, 1), OCTOBER, NOVEMBER, DECEMBER)]
)
def test_months_that_are_no_quarter_are_refused(months):
    with pytest.raises(ValueError, match="up to 3 months in a row"):
        review(*(overview(month) for month in months))


def test_a_review_of_another_environment_is_refused():
    with pytest.raises(ValueError, match="needs its own months"):
        quarterly(three(), reporting.policy(Environment.PRODUCTION))


def test_a_review_says_what_it_does_not_cover():
    document = review(overview(parts={}, freshness=freshness(None)))

    assert document.not_covered == (
        "Security events and usage baselines: this review is made of costs and the policy.",
        "A whole quarter: costs of 1 month are known.",
        "November 2026 in USD: the month is not complete.",
        "Model selection: no cost in USD names its model.",
        "Cost allocation: no labels are told apart in USD.",
        "Capacity: fewer than two complete months have costs in USD.",
    )


def test_each_currency_is_reviewed_by_itself_and_the_policy_once():
    euros = [overview(month, "EUR", budget=None) for month in (OCTOBER, NOVEMBER, DECEMBER)]

    document = review(*euros, *three())

    titles = [section.title for section in document.sections]
    found = [shown(row.cells[1]) for row in tables(document)["Looked at, nothing to decide"].rows]
    assert {"Spend and budget in EUR", "Spend and budget in USD"} <= set(titles)
    assert titles.count("Scaling settings") == 1
    assert len(found) == len(set(found))


def test_a_month_that_a_currency_skips_counts_in_its_growth():
    euros = [
        overview(month, "EUR", spent=Decimal(spent), budget=None)
        for month, spent in ((OCTOBER, 100), (DECEMBER, 400))
    ]

    document = review(*euros, *three())

    facts = next(
        section.blocks[0].facts
        for section in document.sections
        if section.title == "Capacity for the next quarter in EUR"
    )
    assert facts[0].value == "100 % a month"
