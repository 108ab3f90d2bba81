# SPDX-License-Identifier: Apache-2.0
"""The documents' pages, as a browser shows them: accessible, light and dark, wide and narrow.

Screenshots are left in `.cache/screens` for a person to look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser.axe import violations
from browser.conftest import SCREENS
from twinguard.cli import site

ROOT = Path(__file__).parents[2]
LOOKED_AT = ("index", "architecture", "security", "running-costs")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    site.build(ROOT, folder)
    return folder


@pytest.mark.parametrize("size", ["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_their_width(built, visit, scheme, size):
    page = visit(scheme=scheme, size=size)
    SCREENS.mkdir(parents=True, exist_ok=True)
    found = {}

    for name in LOOKED_AT:
        page.goto((built / f"{name}.html").as_uri())
        page.screenshot(path=SCREENS / f"docs-{name}-{scheme}-{size}.png", full_page=True)
        found[name] = violations(page)

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_no_page_is_wider_than_a_phone(built, visit):
    page = visit(size="phone", scripts=False)
    wide = {}

    for path in sorted(built.rglob("*.html")):
        page.goto(path.as_uri())
        wide[path.name] = page.locator("html").evaluate("e => e.scrollWidth - innerWidth")

    assert {name: beyond for name, beyond in wide.items() if beyond > 0} == {}


def test_without_scripts_the_menu_opens_and_leads_on(built, visit):
    page = visit(size="phone", scripts=False)
    page.goto((built / "index.html").as_uri())

    page.locator("summary").click()
    page.get_by_role("link", name="Architecture").first.click()

    assert page.locator("h1").inner_text() == "Architecture"
    assert page.locator("figure svg").count() == 8
