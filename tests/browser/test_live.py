# SPDX-License-Identifier: Apache-2.0
"""Findings appear while a person looks, and nothing is lost while the line was cut."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.house import NORMAL, house


@pytest.fixture
def usual(tmp_path, exports):
    """A house of its own: these tests add findings."""
    with house(tmp_path, NORMAL, exports) as found:
        yield found


def test_a_finding_appears_by_itself_and_is_announced(usual, visit):
    page = visit()
    page.goto(f"{usual.url}/staging/security")
    page.wait_for_selector(".live.on")

    usual.find(501)
    page.wait_for_selector("#findings tr:has-text('critical')")
    expect(page.locator("#live-state")).to_have_text("Live: 1 new finding", timeout=15_000)

    assert page.locator("#findings tr").count() == 7
    assert page.locator("#findings tr").first.locator("time").get_attribute("title")


def test_what_came_while_the_line_was_cut_is_caught_up_with(usual, visit):
    page = visit()
    page.goto(f"{usual.url}/staging/security")
    page.wait_for_selector(".live.on")
    usual.find(502)
    page.wait_for_selector("#findings tr:nth-child(7)")

    page.context.set_offline(True)
    for number in range(503, 506):
        usual.find(number, "HIGH")
    page.context.set_offline(False)
    page.evaluate("document.getElementById('stream')._htmx.sse.reader.cancel()")

    page.wait_for_selector("#findings tr:nth-child(10)")
    assert page.locator("#findings tr").count() == 10
    assert page.locator("#findings tr:has-text('high')").count() == 3
