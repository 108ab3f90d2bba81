# SPDX-License-Identifier: Apache-2.0
"""Reports say what the overviews say: nothing is lost, and what is printed adds up."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import reporting
from reporting import NOVEMBER, OCTOBER, budget, freshness, overview, shares
from twinguard.decide.money import rounded
from twinguard.decide.spend import Day, Dimension, Forecast, Share
from twinguard.reports import markdown
from twinguard.reports.document import Amount, Document, Kind, Table, shown
from twinguard.reports.monthly import monthly
from twinguard.reports.names import named, one_line, slug
from twinguard.reports.parts import part_table
from twinguard.reports.quarterly import quarterly
from twinguard.reports.statement import statement

NAMES = st.one_of(st.none(), st.text(max_size=20), st.sampled_from(reporting.HOSTILE))
AMOUNTS = st.decimals(-10_000, 10_000, places=9)
PARTS = st.dictionaries(NAMES, AMOUNTS, max_size=30)
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])


def tables(document: Document) -> dict[str, Table]:
    blocks = [block for section in document.sections for block in section.blocks]
    return {block.caption: block for block in blocks if isinstance(block, Table)}


def printed(table: Table) -> list[Decimal]:
    """The amounts of the first column of amounts, as a reader adds them up: the total is last."""
    cells = [row.cells[1] for row in table.rows]
    assert all(isinstance(cell, Amount) for cell in cells)
    return [Decimal(shown(cell).replace(",", "")) for cell in cells]


@pytest.mark.parametrize("document", reporting.documents(), ids=lambda document: document.name)
def test_the_markdown_is_the_agreed_one(document):
    agreed = (reporting.AGREED / f"{document.name}.md").read_text(encoding="utf-8")

    assert markdown.render(document) == agreed, f"if meant: {reporting.REGENERATE}"


def test_every_agreed_report_is_still_made():
    agreed = {path.stem for path in reporting.AGREED.glob("*.md")}

    assert agreed == {document.name for document in reporting.documents()}


@given(PARTS, CURRENCIES, st.one_of(st.none(), st.integers(1, 5)), AMOUNTS)
def test_a_table_of_parts_adds_up_as_printed(parts, currency, most, untold):
    found = tuple(Share(name=name, net=net, before=Decimal(0)) for name, net in parts.items())
    total = sum(parts.values(), Decimal(0)) + untold

    table = part_table("By x", "x", found, (total, total, Decimal(0)), currency, most=most)

    *rows, last = printed(table)
    assert sum(rows) == last == rounded(total, currency)
    assert table.rows[-1].kind is Kind.TOTAL


@given(PARTS, CURRENCIES, st.lists(AMOUNTS, max_size=30), AMOUNTS)
def test_a_statement_adds_up_to_the_cent_in_every_table(parts, currency, days, credited):
    spent = sum(parts.values(), Decimal(0))
    found = tuple(Share(name=name, net=net, before=Decimal(0)) for name, net in parts.items())
    month = overview(
        currency=currency,
        spent=spent,
        cost=spent - credited,
        credits=credited,
        days=tuple(Day(NOVEMBER + dt.timedelta(days=n), one) for n, one in enumerate(days)),
        parts={Dimension.FEATURE: found, Dimension.MODEL: found},
        budget=None,
    )

    document = statement("acme", [month], {})

    for table in tables(document).values():
        *rows, last = printed(table)
        assert sum(rows) == last == rounded(spent, currency)


@given(st.text())
def test_a_name_is_shown_on_one_short_line_that_can_be_written(name):
    text = named(name)

    assert text
    assert text.isprintable()
    assert len(text) <= 64 + 2
    assert text.encode()


def test_what_turns_text_around_is_spelled_out():
    assert one_line("a\u202egro\u200b\n\tb\ud800") == "a\\u202egro\\u200b b\\ud800"


@pytest.mark.parametrize("name", ["unattributed", "Total", "all others (3)", "(empty)"])
def test_a_name_that_reads_like_a_row_of_ours_is_quoted(name):
    assert named(name) == f"“{name}”"


def test_a_files_name_has_nothing_of_a_path():
    assert slug("../../Étoile du Nord & Co") == "toile-du-nord-co"
    assert slug("///") == "unnamed"


def test_unattributed_is_shown_even_when_it_is_nothing_beside_labels():
    month = overview(parts={Dimension.TENANT: shares({"acme": "100.00"})})

    rows = tables(monthly([month]))["By customer, USD"].rows

    assert [(shown(row.cells[0]), shown(row.cells[1])) for row in rows] == [
        ("acme", "100.00"),
        ("unattributed", "0.00"),
        ("total", "100.00"),
    ]


def test_a_label_that_no_cost_has_is_named_as_not_covered():
    month = overview(parts={Dimension.TENANT: shares({None: "100.00"})})

    document = monthly([month])

    assert "By customer, USD" not in tables(document)
    assert document.not_covered == (
        "By customer: no cost names its customer (100.00 USD unattributed).",
    )


def test_tax_and_the_invoices_rounding_are_rows():
    types = shares({"regular": "82.65", "tax": "17.36", "rounding_error": "-0.01"})

    rows = tables(monthly([overview(by_cost_type=types)]))["By cost type, USD"].rows

    assert [(shown(row.cells[0]), shown(row.cells[1])) for row in rows] == [
        ("usage", "82.65"),
        ("tax", "17.36"),
        ("rounding on the invoice", "-0.01"),
        ("total", "100.00"),
    ]


def test_currencies_are_told_apart_and_never_added():
    text = markdown.plain(monthly([overview(), overview(currency="EUR", spent=Decimal(7))]))

    assert "100.00 USD" in text
    assert "7.00 EUR" in text
    assert "107" not in text


def test_an_other_currency_without_a_section_is_mentioned():
    month = overview(other_currencies=(("EUR", Decimal(7)), ("JPY", Decimal(900))))

    alone, beside = monthly([month]), monthly([month, overview(currency="EUR")])

    assert "Besides, 7.00 EUR and 900 JPY were spent" in markdown.plain(alone)
    assert "Besides, 900 JPY were spent" in markdown.plain(beside)


@pytest.mark.parametrize(
    ("through", "said"),
    [
        (None, "Complete through: no day yet. Lag known: rows come up to 36 hours late."),
        (dt.date(2026, 11, 9), "Complete through 2026-11-09 (days in Pacific time; later days"),
        (dt.date(2026, 12, 3), "Complete through 2026-11-30 (days in Pacific time). Lag known"),
    ],
)
def test_every_report_says_through_when_it_is_complete(through, said):
    month = overview(freshness=freshness(through))

    for document in (
        monthly([month]),
        statement("acme", [month], {}),
        quarterly([month], reporting.policy()),
    ):
        assert document.stamp[0].startswith(said)


def test_a_complete_month_forecasts_nothing():
    ahead = Forecast(
        spent=Decimal(1),
        lowest=Decimal(1),
        low=Decimal(2),
        middle=Decimal(3),
        high=Decimal(4),
        highest=Decimal(5),
        method="",
        days=9,
    )

    assert "forecast to end" not in markdown.plain(monthly([overview(forecast=ahead)]))


def test_reports_of_several_months_at_once_are_refused():
    months = [overview(OCTOBER), overview(NOVEMBER)]

    with pytest.raises(ValueError, match="one month"):
        monthly(months)
    with pytest.raises(ValueError, match="one month"):
        statement("acme", months, {})


def test_a_statement_says_what_is_left_out():
    some = statement("acme", [overview()], {"USD": Decimal("3.5")})
    none = statement("acme", [overview()], {"USD": Decimal(0)})

    assert "name no customer (3.50 USD in all) are left out" in markdown.plain(some)
    assert "nothing is left out" in markdown.plain(none)


@pytest.mark.parametrize("tenant", reporting.HOSTILE)
def test_a_statement_for_any_name_has_a_name_that_a_file_can_have(tenant):
    document = statement(tenant, [overview()], {})

    assert document.title == f"Statement for {named(tenant)}, November 2026"
    assert re.fullmatch("statement-[a-z0-9-]{1,64}-2026-11", document.name)


def test_a_statement_of_a_month_under_way_says_so():
    document = statement("acme", [overview(freshness=freshness(dt.date(2026, 11, 9)))], {})

    assert document.subtitle == "100.00 USD so far: the month is not complete."


@pytest.mark.parametrize(
    ("spent", "reached_on", "rows"),
    [
        (
            "300",
            None,
            [
                *("50 %: reached", "75 %: next, 75.00 USD away"),
                "cap at 100 %: not reached this month at 10.00 USD a day",
            ],
        ),
        (
            "480",
            dt.date(2026, 11, 29),
            [
                *("50 %: reached", "75 %: reached", "90 %: reached", "100 %: next, 20.00 USD away"),
                "cap at 100 %: reached on 2026-11-29 at 16.00 USD a day",
            ],
        ),
        ("500", None, [*(f"{p} %: reached" for p in (50, 75, 90, 100)), "cap at 100 %: reached"]),
    ],
)
def test_a_budgets_table_says_what_is_reached_and_what_comes(spent, reached_on, rows):
    stand = replace(budget(Decimal(spent)), reached_on=reached_on)

    table = tables(monthly([overview(budget=stand)]))["Thresholds of living-twin-staging-budget"]

    assert [f"{shown(row.cells[0])}: {shown(row.cells[2])}" for row in table.rows] == rows
