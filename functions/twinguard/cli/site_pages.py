# SPDX-License-Identifier: Apache-2.0
"""Turn the Markdown documents into pages: where each lies, its HTML, its headings, its links.

Only reads. `site.py` writes the pages; `site_pictures.py` draws what is between ```mermaid."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path, PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

from twinguard.cli import site_pictures
from twinguard.errors import Misconfigured

SOURCES = ("docs/**/*.md", "CONTRIBUTING.md", "CHANGELOG.md", "terraform/**/README.md")
FRONT = "docs/index.md"
ASSETS = {".png", ".svg"}
_OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading with the anchor that links name, as GitHub makes it."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Page:
    """A document as it is shown; links and pictures are as its source writes them."""

    source: str
    title: str
    html: str
    headings: tuple[Heading, ...]
    links: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it lies in the site."""
        return place_of(self.source)


def place_of(source: str) -> str:
    """Where a document or picture of the repository lies in the site."""
    path = PurePosixPath(source)
    inside = path.relative_to("docs") if path.is_relative_to("docs") else path
    if inside.name == "README.md":
        inside = inside.with_name("index.md")
    return str(inside.with_suffix(".html") if inside.suffix == ".md" else inside)


def sources(repository: Path) -> tuple[str, ...]:
    """The documents that become pages."""
    found = {path for pattern in SOURCES for path in repository.glob(pattern)}
    return tuple(sorted(path.relative_to(repository).as_posix() for path in found))


def target_of(source: str, link: str) -> tuple[str, str]:
    """The file in the repository that a link of a document leads to, and the anchor there.

    The site's front page stands for README."""
    path, _, anchor = link.partition("#")
    target = os.path.normpath(PurePosixPath(source).parent / path) if path else source
    return FRONT if target == "README.md" else target, anchor


def is_outside(link: str) -> bool:
    """Whether a link leaves the site: it names a scheme."""
    return bool(_OUTSIDE.match(link))


def page(repository: Path, source: str) -> Page:
    """The page of one document."""
    tokens = _reader().parse((repository / source).read_text(encoding="utf-8"))
    headings = tuple(_headings(tokens))
    if not headings:
        raise Misconfigured(f"{source}: it has no heading; begin with `# Title`")
    links = tuple(_links_made_relative(tokens, source))
    anchors = iter(headings)
    near = headings[0]
    for token in tokens:
        if token.type == "heading_open":
            near = next(anchors)
            token.attrSet("id", near.anchor)
        elif token.type == "fence" and token.info == "mermaid":
            drawn = site_pictures.read(token.content, f"{source}: {near.text}")
            token.type, token.content = "html_block", _figure(site_pictures.svg(drawn, near.text))
    html = _reader().renderer.render(tokens, _reader().options, {})
    html = html.replace("<pre>", '<pre tabindex="0">')  # it scrolls, so a keyboard must reach it
    return Page(source, headings[0].text, html, headings, links)


def _figure(drawing: str) -> str:
    return f'<figure class="scroll" tabindex="0">{drawing}</figure>\n'


@cache
def _reader() -> MarkdownIt:
    """CommonMark with GitHub's tables; HTML in a document is shown as text, but for comments."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    rules = reader.renderer.rules  # type: ignore[attr-defined]
    rules["html_inline"] = rules["html_block"] = _shown_html
    rules["table_open"] = lambda *_: '<div class="scroll" tabindex="0"><table>\n'
    rules["table_close"] = lambda *_: "</table></div>\n"
    return reader


def _shown_html(tokens: list[Token], number: int, *_: object) -> str:
    content = tokens[number].content
    if tokens[number].type == "html_block" and content.startswith("<figure "):
        return content
    return "" if content.lstrip().startswith("<!--") else escape(content)


def _headings(tokens: list[Token]) -> list[Heading]:
    found: list[Heading] = []
    taken: dict[str, int] = {}
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(
            child.content
            for child in inline.children or ()
            if child.type in {"text", "code_inline"}
        )
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = taken.get(anchor, 0)
        taken[anchor] = number + 1
        found.append(Heading(int(opening.tag[1]), text, f"{anchor}-{number}" if number else anchor))
    return found


def _links_made_relative(tokens: list[Token], source: str) -> list[str]:
    """The links of a document as they are written; its tokens lead to pages afterwards."""
    written = []
    inlines = (child for token in tokens for child in token.children or ())
    for token in inlines:
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is None:
            continue
        link = str(token.attrGet(name))
        written.append(link)
        if not is_outside(link):
            target, anchor = target_of(source, link)
            here = PurePosixPath(place_of(source)).parent
            there = os.path.relpath(place_of(target), here)
            token.attrSet(name, f"{there}#{anchor}" if anchor else there)
    return written
