# SPDX-License-Identifier: Apache-2.0
"""A page is well formed, readable without seeing it, fetches nothing, and runs nothing."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

import reporting
from reporting import HOSTILE, shares
from twinguard.decide.spend import Dimension
from twinguard.reports import charts, html
from twinguard.reports.monthly import monthly
from twinguard.reports.names import named

VOID = {"meta", "img", "br", "hr", "link", "input"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "bdi"),
    *("h1", "h2", "p", "strong", "span", "div", "ul", "li", "figure", "figcaption", "img"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"),
    *("svg", "g", "path", "line", "rect", "text", "desc", "defs", "clippath"),
}


class Page(HTMLParser):
    """The elements of a page; an element that is closed wrongly is an error."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile():
    amounts = dict.fromkeys(HOSTILE, "1.00")
    parts = dict.fromkeys((Dimension.TENANT, Dimension.SERVICE), shares(amounts))
    return replace(
        reporting.busy(), environment=HOSTILE[0], spent=Decimal(len(HOSTILE)), parts=parts
    )


@pytest.fixture(scope="module", params=["page", "mail"])
def pages(request):
    """The agreed reports and a hostile one, as pages or as parts of mails."""
    documents = (*reporting.documents(), monthly([hostile()]))
    if request.param == "page":
        return [html.page(document) for document in documents]
    return [
        html.mail_page(document, {f.name: f"cid:{f.name}" for f in document.figures})
        for document in documents
    ]


def test_a_page_is_well_formed_and_has_no_element_that_could_do_something(pages):
    for source in pages:
        page = Page(source)

        assert source.startswith("<!doctype html>")
        assert {tag for tag, _ in page.elements} <= ALLOWED
        assert not [name for _, found in page.elements for name in found if name.startswith("on")]


def test_a_page_fetches_nothing(pages):
    for source in pages:
        page = Page(source)
        addresses = [
            value or ""
            for _, found in page.elements
            for name, value in found.items()
            if name in {"src", "href", "xlink:href", "data", "action", "style"}
        ]

        assert [one for one in addresses if not one.startswith(("cid:", "#"))] == []
        assert "@import" not in source
        assert not re.search(r"url\((?!#)", source)
        assert "default-src 'none'" in source


def test_every_picture_has_words(pages):
    for source in pages:
        page = Page(source)
        identities = {found["id"] for _, found in page.elements if "id" in found}

        for svg in page.all("svg"):
            assert svg["role"] == "img"
            assert set(svg["aria-labelledby"].split()) <= identities
        assert all(image["alt"] for image in page.all("img"))
        assert page.all("svg") or page.all("img") or "figure" not in source.split("</style>")[1]


def test_identities_are_unique(pages):
    for source in pages:
        identities = [found["id"] for _, found in Page(source).elements if "id" in found]

        assert len(identities) == len(set(identities))


def test_every_table_has_a_caption_or_a_label_and_scopes(pages):
    for source in pages:
        page = Page(source)
        labelled = [found for found in page.all("table") if "aria-label" in found]

        assert len(page.all("caption")) + len(labelled) == len(page.all("table"))
        assert {found.get("scope") for found in page.all("th")} <= {"row", "col"}


def test_hostile_names_are_shown_as_they_are(pages):
    words = Page(pages[-1]).words

    assert {named(name) for name in HOSTILE} <= set(words)
    assert "<script" not in pages[-1]
    assert "49" not in words


def test_a_chart_takes_the_pages_colours_and_a_mail_has_its_own():
    document = monthly([reporting.busy()])

    page = html.page(document)
    mail = html.mail_page(document, {f.name: "cid:x" for f in document.figures})

    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 2
    assert not [colour for colour in charts.COLOURS.values() if any(colour in one for one in drawn)]
    assert set(html.DARK) == set(charts.COLOURS)
    assert "var(--" not in mail


def test_a_page_is_the_same_each_time():
    document = monthly([reporting.busy()])

    assert html.page(document) == html.page(document)
