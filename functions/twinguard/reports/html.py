# SPDX-License-Identifier: Apache-2.0
"""Render a document as one HTML page without anything to fetch, or as the HTML part of a mail.

Jinja escapes every value; only charts that `charts.py` drew are taken as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from twinguard.reports.charts import COLOURS, svg
from twinguard.reports.document import Block, Document, Figure, shown

if TYPE_CHECKING:
    from markupsafe import Markup

DARK = {
    "ink": "#e6edf3",
    "faint": "#9da7b3",
    "grid": "#30363d",
    "paper": "#0d1117",
    "main": "#58a6ff",
    "band": "#1f4b80",
    "limit": "#f0a35e",
}
"""What `charts.COLOURS` become where a reader prefers dark."""

_TEMPLATE = Path(__file__).with_name("page.html.j2")


def page(document: Document) -> str:
    """A page that follows the reader's light or dark, and prints in light."""
    from markupsafe import Markup

    drawings = {figure.name: Markup(svg(figure)) for figure in document.figures}  # noqa: S704
    variables = {name: f"var(--{name})" for name in COLOURS}
    return _rendered(document, variables, lambda figure: drawings[figure.name], is_mail=False)


def mail_page(document: Document, addresses: Mapping[str, str]) -> str:
    """The HTML part of a mail, in light colours; figures by `cid:` addresses."""
    from markupsafe import Markup

    def picture(figure: Figure) -> Markup:
        image = Markup('<img src="{}" alt="{}" width="620">')
        return image.format(addresses[figure.name], f"{figure.title}. {figure.description}")

    return _rendered(document, COLOURS, picture, is_mail=True)


def _rendered(
    document: Document,
    colours: Mapping[str, str],
    drawing: Callable[[Figure], Markup],
    *,
    is_mail: bool,
) -> str:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        document=document,
        c=colours,
        light=COLOURS,
        dark=DARK,
        drawing=drawing,
        is_mail=is_mail,
        kind_of=_kind_of,
        shown=shown,
    )


def _kind_of(block: Block) -> str:
    return type(block).__name__
