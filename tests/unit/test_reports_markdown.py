# SPDX-License-Identifier: Apache-2.0
"""Markdown shows every name as it is: read back by a parser, it is text and nothing else."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import reporting
from reporting import HOSTILE, overview, shares
from twinguard.decide.spend import Dimension
from twinguard.reports import markdown
from twinguard.reports.document import Document, Paragraph, Section
from twinguard.reports.monthly import monthly
from twinguard.reports.names import named, one_line

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = {"<!-- -->", "<span>", "</span>"}
MARKS = st.text(st.sampled_from("\\`*_[]()<>|~#@$:/!&;-+=.1 wWax"), max_size=30)


def read(text: str) -> tuple[str, set[str]]:
    """What a person reads in one inline text, and the kinds of markup in it."""
    tokens = PARSER.parseInline(text)[0].children
    kinds = {t.type for t in tokens if not (t.type == "html_inline" and t.content in OURS)}
    return "".join(t.content for t in tokens if t.type == "text"), kinds


@given(st.one_of(MARKS, st.text()))
@example("a_b _c_ `d` **e** [f](g) ![h](i) <j> &amp; ~~k~~ https://l.m www.n.o @p #1 $q$ :r:")
def test_a_text_is_read_back_as_it_was(text):
    shown, kinds = read(markdown.escaped(text))

    assert shown == one_line(text)
    assert kinds <= {"text", "text_special"}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("gpt-4.1_mini", "gpt-4.1_mini"),
        ("1,234.56 USD (+20 %)", "1,234.56 USD (+20 %)"),
        ("hello @everyone", "hello @<!-- -->everyone"),
        ("fixes #12", "fixes #<!-- -->12"),
        ("http://a.b", "http\\:<!-- -->//a.b"),
        ("www.a.b", "www<!-- -->\\.a.b"),
        ("$x$", "<span>$</span>x<span>$</span>"),
    ],
)
def test_only_what_github_would_act_on_is_escaped(text, written):
    assert markdown.escaped(text) == written


def test_hostile_names_stay_in_their_cells():
    amounts = dict.fromkeys(HOSTILE, "1.00")
    month = overview(spent=Decimal(len(HOSTILE)), parts={Dimension.TENANT: shares(amounts)})

    tokens = PARSER.parse(markdown.render(monthly([month])))

    cells = [
        read(token.content)[0] for before, token in pairwise(tokens) if before.type == "td_open"
    ]
    assert {named(name) for name in HOSTILE} <= set(cells)
    assert not {t.type for t in tokens} & {"html_block", "fence", "code_block"}


@given(st.one_of(MARKS, st.text()).filter(one_line))
@example("# a")
@example("1. a")
@example("- a")
@example("---")
@example("<!-- a")
def test_a_line_of_its_own_is_a_paragraph_whatever_it_begins_with(text):
    document = Document(
        name="x",
        title="x",
        subtitle="x",
        stamp=(),
        sections=(Section("x", (Paragraph(text),)),),
    )

    *_, opening, inline, _ = PARSER.parse(markdown.render(document))

    assert opening.type == "paragraph_open"
    assert read(inline.content)[0] == one_line(text)


def test_plain_text_carries_no_escapes():
    text = markdown.plain(monthly([overview(parts={Dimension.TENANT: shares({"a&b": "100.00"})})]))

    assert "| a&b " in text
    assert "&amp;" not in text


def test_pictures_stand_where_there_are_some():
    document = monthly([reporting.busy()])

    text = markdown.render(document, {"days-usd": "a b.png"})

    assert "![Spend by day, November 2026, USD](<a b.png>)" in text
    assert "▂▃" not in text
    assert "▂▃" in markdown.render(document)


@pytest.mark.parametrize(
    ("amounts", "bars"),
    [((), ""), ((0, 0), "▁▁"), ((-5, 0, 10), "▁▁█"), ((-1,), "▁"), ((1, 4, 7), "▂▅█")],
)
def test_a_line_of_bars_begins_at_nothing(amounts, bars):
    assert markdown.sparkline([Decimal(amount) for amount in amounts]) == bars
