# SPDX-License-Identifier: Apache-2.0
"""The documents become pages that work without scripts and lead everywhere they say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from twinguard.cli import site, site_pages, site_pictures
from twinguard.errors import Misconfigured

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site.build(ROOT, folder)
    return folder


class Read(HTMLParser):
    """The anchors, links and elements of a page."""

    VOID = frozenset({"meta", "img", "br", "hr", "line", "rect", "path", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.links, self.names, self._open = [], [], set(), []
        self.feed(text)
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names.add(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        self._open += [tag] if tag not in self.VOID else []

    def handle_startendtag(self, tag, attributes):
        self.names.add(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def test_every_document_leads_somewhere_and_is_led_to():
    assert site.faults(ROOT, site.pages(ROOT)) == ()


def test_every_link_of_every_page_leads_to_a_file_and_an_anchor(built):
    pages = {path: Read(path.read_text()) for path in built.rglob("*.html")}

    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            if site_pages.is_outside(link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), f"{path}: {link}"
            if anchor:
                assert anchor in pages[target].ids, f"{path}: {link}"
    assert len(pages) > 40


def test_pages_need_no_script_and_no_other_host(built):
    for path in built.rglob("*.html"):
        text = path.read_text()
        page = Read(text)

        assert not page.names & {"script", "iframe", "link", "object"}
        assert "default-src 'none'" in text
        assert not re.search(r"url\(|@import", text)


def test_every_picture_is_drawn(built):
    documents = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))

    drawn = sum(path.read_text().count("<svg ") for path in built.rglob("*.html"))

    assert drawn == documents.count("```mermaid") > 8


def test_the_menu_has_every_page_of_the_front_page_once():
    groups = site.groups(ROOT)
    listed = [source for group in groups for source in group.sources]

    assert [group.name for group in groups] == ["Run it", "Use it", "How it is built", "Look it up"]
    assert sorted(listed) == sorted(set(listed))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} == {
        *(source for source in listed if source.startswith("docs/")),
        site_pages.FRONT,
    }


# --- what is wrong is seen -----------------------------------------------------------------------


@pytest.fixture
def small(tmp_path) -> Path:
    """A repository with two documents."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Front\n\n## Part\n\n- [A](a.md#two-words)\n")
    (tmp_path / "docs" / "a.md").write_text("# A\n\n## Two words\n\nBack to [it](../README.md).\n")
    return tmp_path


def test_a_small_site_is_built(small):
    assert site.build(small, small / "out") == 2
    assert site.build(small, small / "out") == 2, "again, over what is there"
    text = (small / "out" / "a.html").read_text()

    assert '<h2 id="two-words">Two words</h2>' in text
    assert 'Back to <a href="index.html">it</a>' in text
    assert '<a href="a.html" aria-current="page">A</a>' in text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[x](b.md)", "docs/a.md: b.md is no page; name the file in backticks instead"),
        ("[x](index.md#no)", "docs/a.md: no heading of docs/index.md has the anchor #no"),
        ("[x](../scripts)", "docs/a.md: ../scripts is no page; name the file in backticks instead"),
        ("![x](x.png)", "docs/a.md: x.png is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(small, text, fault):
    (small / "docs" / "a.md").write_text(f"# A\n\n## Two words\n\n{text}\n")

    with pytest.raises(Misconfigured) as raised:
        site.build(small, small / "out")

    assert str(raised.value) == fault
    assert not (small / "out").exists()


def test_a_page_that_nothing_leads_to_is_named(small):
    (small / "docs" / "b.md").write_text("# B\n")

    assert site.faults(small, site.pages(small)) == ("docs/b.md: no page leads to it; link it",)


def test_anchors_are_githubs(small):
    (small / "docs" / "a.md").write_text(
        "# `make env`: *writes* it, at 100 %!\n\n## Two words\n\n## Two words\n"
    )

    found = [heading.anchor for heading in site_pages.page(small, "docs/a.md").headings]

    assert found == ["make-env-writes-it-at-100-", "two-words", "two-words-1"]


def test_html_in_a_document_is_text_and_comments_are_left_out(small):
    path = small / "docs" / "a.md"
    path.write_text("# A\n\n<!-- secret -->\n\n<script>alert(1)</script>\n\na <b>c</b>\n")

    text = site_pages.page(small, "docs/a.md").html

    assert "secret" not in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a &lt;b&gt;c&lt;/b&gt;" in text


# --- pictures ------------------------------------------------------------------------------------

PICTURE = """sequenceDiagram
    participant a as One<br/>first
    participant b as Two & more
    a->>b: asks <it>
    b-->>a: answers
    a->>a: thinks
    Note over a,b: both
"""


def test_a_picture_is_read_and_drawn():
    read = site_pictures.read(PICTURE, "here")
    drawn = site_pictures.svg(read, "A & B")

    assert read.participants == {"a": ("One", "first"), "b": ("Two & more",)}
    assert [type(step).__name__ for step in read.steps] == ["Message", "Message", "Message", "Note"]
    assert drawn.startswith('<svg role="img" ')
    assert "<title>A &amp; B</title>" in drawn
    assert "asks &lt;it&gt;" in drawn
    assert drawn.count('class="head"') == 3
    assert drawn.count('class="answer"') == 1


def test_nothing_is_drawn_beyond_the_edges():
    drawn = site_pictures.svg(site_pictures.read(PICTURE, "here"), "title")
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups())

    assert all(0 <= float(x) <= width for x in re.findall(r' x[12]?="([-\d.]+)"', drawn))
    assert all(0 <= float(y) <= height for y in re.findall(r' y[12]?="([-\d.]+)"', drawn))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flowchart LR\na-->b", "here: 'flowchart LR' is not drawn here; write a sequenceDiagram"),
        ("sequenceDiagram\nloop always", "here: cannot draw 'loop always'; write `participant"),
        ("sequenceDiagram\na->>b: x; y", "here: 'a->>b: x; y' ends early on GitHub; write it"),
        ("sequenceDiagram\na->>b: x", "here: a, b takes part in nothing; add a participant"),
    ],
)
def test_what_cannot_be_drawn_is_refused(text, message):
    with pytest.raises(Misconfigured) as raised:
        site_pictures.read(text, "here")

    assert str(raised.value).startswith(message)
