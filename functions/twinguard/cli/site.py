# SPDX-License-Identifier: Apache-2.0
"""Build the documents as a static site, and check that every link and anchor leads somewhere.

Needs no network and makes none necessary: no scripts, no fonts, pictures drawn here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import jinja2
import typer
from markupsafe import Markup

from twinguard.cli.exits import exiting
from twinguard.cli.site_pages import (
    ASSETS,
    FRONT,
    Page,
    is_outside,
    page,
    place_of,
    sources,
    target_of,
)
from twinguard.errors import Misconfigured

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = REPOSITORY / ".cache" / "site"
SECTION = 2
"""The level of the headings that a page lists beside itself."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pages under one heading of the front page."""

    name: str
    sources: tuple[str, ...]


def pages(repository: Path) -> dict[str, Page]:
    """Every document as a page, by its source."""
    return {source: page(repository, source) for source in sources(repository)}


def groups(repository: Path) -> tuple[Group, ...]:
    """What the menu shows: the front page's headings that have a list of pages, and these pages."""
    made = []
    for part in (repository / FRONT).read_text(encoding="utf-8").split("\n## ")[1:]:
        name, _, text = part.partition("\n")
        links = re.findall(r"^- \[[^]]*\]\(([^)\s]+)\)", text, re.MULTILINE)
        if here := tuple(target_of(FRONT, link)[0] for link in links):
            made.append(Group(name, here))
    return tuple(made)


def faults(repository: Path, found: Mapping[str, Page]) -> tuple[str, ...]:
    """Links that lead nowhere, anchors that no heading has, pages that nothing leads to."""
    told, reached = [], {FRONT}
    for source, shown in found.items():
        for link in filter(lambda link: not is_outside(link), shown.links):
            target, anchor = target_of(source, link)
            reached.add(target)
            if target in found:
                if anchor and anchor not in {heading.anchor for heading in found[target].headings}:
                    told.append(f"{source}: no heading of {target} has the anchor #{anchor}")
            elif PurePosixPath(target).suffix not in ASSETS:
                told.append(f"{source}: {link} is no page; name the file in backticks instead")
            elif not (repository / target).is_file():
                told.append(f"{source}: {link} is not there")
    told += [f"{source}: no page leads to it; link it" for source in found if source not in reached]
    return tuple(told)


def build(repository: Path, folder: Path) -> int:
    """Write the site into a folder, which is emptied first; the number of its pages."""
    found = pages(repository)
    if wrong := faults(repository, found):
        raise Misconfigured("\n".join(wrong))
    template = _template()
    menu = groups(repository)
    shutil.rmtree(folder, ignore_errors=True)
    for shown in found.values():
        path = folder / shown.place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_html(template, shown, found, menu), encoding="utf-8")
        _copy_assets(repository, folder, shown)
    return len(found)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("site.html.j2")


def _html(
    template: jinja2.Template, shown: Page, found: Mapping[str, Page], menu: tuple[Group, ...]
) -> str:
    def href(source: str) -> str:
        return os.path.relpath(place_of(source), PurePosixPath(shown.place).parent)

    entries = [
        {
            "name": group.name,
            "entries": [
                {"href": href(each), "title": found[each].title, "is_here": each == shown.source}
                for each in group.sources
            ],
        }
        for group in menu
    ]
    return template.render(
        page=shown,
        content=Markup(shown.html),  # noqa: S704 - made by our own renderer
        sections=[heading for heading in shown.headings if heading.level == SECTION],
        groups=entries,
        front=href(FRONT),
    )


def _copy_assets(repository: Path, folder: Path, shown: Page) -> None:
    for link in shown.links:
        target, _ = target_of(shown.source, link)
        if not is_outside(link) and PurePosixPath(target).suffix in ASSETS:
            path = folder / place_of(target)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(repository / target, path)


def main() -> None:
    """Build the site into .cache/site; exit code 2 where a link leads nowhere."""
    with exiting():
        count = build(REPOSITORY, FOLDER)
    typer.echo(f"{count} pages, every link leads somewhere: {FOLDER / 'index.html'}")


if __name__ == "__main__":
    typer.run(main)
