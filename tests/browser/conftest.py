# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium, and a house for each kind of data; both are of one module."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser.house import House, house
from servers import skip_or_fail

SCREENS = Path(__file__).parents[2] / ".cache" / "screens"
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
EXPECTED = ("status of 404", "status of 422")
PATIENCE = 30_000  # milliseconds
SIZES = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 800}}


@pytest.fixture(scope="module")
def chromium():
    """The browser; a test opens its own context in it.

    One for a module: while Playwright runs, no other test of this thread has an event loop."""
    from playwright.sync_api import sync_playwright

    found = (shutil.which(name) for name in (CHROMIUM, "chromium", "google-chrome"))
    binary = next((one for one in found if one), None)
    if binary is None:
        skip_or_fail("chromium: install it with 'apt-get install chromium'")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=binary, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def exports(tmp_path_factory) -> Path:
    """A folder that keeps the exports, which are slow to make."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def houses(tmp_path_factory, exports) -> Iterator[Callable[[str], House]]:
    """A house of a kind, which the tests of a module share."""
    open_ = {}
    with contextlib.ExitStack() as stack:

        def of(kind: str) -> House:
            if kind not in open_:
                folder = tmp_path_factory.mktemp(kind)
                open_[kind] = stack.enter_context(house(folder, kind, exports))
            return open_[kind]

        yield of


@pytest.fixture
def visit(chromium):
    """A page in a fresh context; what its console complains of fails the test."""
    complaints, contexts = [], []

    def heard(said):
        if said.type in {"error", "warning"}:
            complaints.append(said.text)

    def opened(*, scheme="light", size="wide", scripts=True, zone="Europe/Brussels"):
        context = chromium.new_context(
            color_scheme=scheme,
            viewport=SIZES[size],
            java_script_enabled=scripts,
            timezone_id=zone,
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text) if said.type in {"error", "warning"} else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in complaints if not any(code in one for code in EXPECTED)] == []
