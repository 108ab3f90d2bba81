# SPDX-License-Identifier: Apache-2.0
"""Every page, as a browser shows it: accessible, complete, light and dark, wide and narrow.

Screenshots are left in `.cache/screens` for a person to look at."""

from __future__ import annotations

import pytest

from browser.axe import violations
from browser.conftest import SCREENS
from browser.house import ALARMING, BROKEN, EMPTY, NORMAL, SECRETS

PAGES = {
    "overview": "/",
    "costs": "/staging/costs",
    "operations": "/staging/operations",
    "security": "/staging/security",
    "filtered": "/staging/security?level=critical",
    "rotate": "/staging/act/rotate/openai-api-key",
    "wake": "/staging/act/wake/manual",
    "lift": "/staging/act/lift/budget",
    "raise": "/staging/act/raise/tenant:acme",
    "missing": "/staging/nothing",
}


@pytest.mark.parametrize("size", ["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", [EMPTY, NORMAL, ALARMING])
def test_every_page_is_accessible_and_fits_its_width(houses, visit, kind, scheme, size):
    house, page = houses(kind), visit(scheme=scheme, size=size)
    SCREENS.mkdir(parents=True, exist_ok=True)
    found = {}

    for name, path in PAGES.items():
        page.goto(house.url + path)
        page.wait_for_load_state("load")
        page.screenshot(path=SCREENS / f"{name}-{kind}-{scheme}-{size}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than the window"
        found[name] = violations(page)

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", "wide"), ("dark", "wide"), ("dark", "phone")]
)
def test_an_incident_and_a_key_are_accessible_pages_with_evidence(houses, visit, scheme, size):
    house, page = houses(ALARMING), visit(scheme=scheme, size=size)
    page.goto(f"{house.url}/staging/security")

    page.get_by_role("link", name="A customer's key of acme").click()
    page.wait_for_selector("h1:has-text('A customer')")
    timeline = page.locator(".timeline").inner_text()
    incident = violations(page)
    page.screenshot(path=SCREENS / f"incident-{scheme}-{size}.png", full_page=True)
    page.go_back()
    page.locator("#findings a").first.click()
    page.wait_for_selector("h1:has-text('Key')")
    page.locator("summary").first.click()
    page.screenshot(path=SCREENS / f"key-{scheme}-{size}.png", full_page=True)
    usual = page.locator("[aria-labelledby=usual]").inner_text()

    assert "07:00 to 18:00 UTC" in usual
    assert "192.0.2.0" in usual
    assert (incident, violations(page)) == ([], [])
    assert "Told by slack" in timeline
    assert "Disable key by grace" in timeline
    assert "requests 60s" in page.locator("td dl.facts").first.inner_text()


def test_times_are_in_the_readers_zone_and_utc_without_scripts(houses, visit):
    house = houses(NORMAL)
    at = "tbody time"

    with_scripts = visit(zone="Asia/Tokyo")
    with_scripts.goto(f"{house.url}/staging/costs")
    local = with_scripts.locator(at).first
    without = visit(scripts=False)
    without.goto(f"{house.url}/staging/costs")
    plain = without.locator(at).first

    assert plain.inner_text().endswith(" UTC")
    assert local.get_attribute("title") == plain.inner_text()
    hour = int(plain.get_attribute("datetime")[11:13])
    assert f"{(hour + 9) % 24:02d}:" in local.inner_text()


@pytest.mark.parametrize(
    "path", ["/", *(f"/staging/{name}" for name in ("costs", "operations", "security"))]
)
def test_reading_works_without_scripts(houses, visit, path):
    house, page = houses(ALARMING), visit(scripts=False)

    page.goto(house.url + path)

    assert page.locator("h1").is_visible()
    assert page.locator("section").first.is_visible()
    if "costs" in path:
        assert page.locator("figure svg").first.is_visible()
        page.locator("summary").first.click()
        assert page.locator("details[open] tbody tr").count() > 0


def test_with_scripts_a_chart_can_be_pointed_at(houses, visit):
    house, page = houses(NORMAL), visit()
    page.goto(f"{house.url}/staging/costs")

    chart = page.locator("figure[data-kind=month] .u-over")
    chart.hover(position={"x": 40, "y": 60})

    assert "USD" in page.locator("figure[data-kind=month] .u-legend").inner_text()
    assert not page.locator("figure[data-kind=month] > svg").is_visible()


def test_the_numbers_of_a_page_are_those_of_the_ledger(houses, visit):
    house, page = houses(NORMAL), visit()
    overview = house.staging.costs().value.month.overviews[0]

    page.goto(f"{house.url}/staging/costs")

    assert page.locator(".figure").first.inner_text().startswith(f"{overview.spent:,.2f} USD")
    assert "Complete through" in page.locator(".stamp").first.inner_text()
    assert "Sample data" in page.locator(".notice.sample").inner_text()


def test_a_source_that_does_not_answer_is_said_and_the_rest_is_shown(houses, visit):
    house, page = houses(BROKEN), visit()

    page.goto(f"{house.url}/staging/costs")
    notices = page.get_by_role("alert").all_inner_texts()
    alerts = page.get_by_role("heading", name="Alerts about costs").is_visible()
    found = violations(page)
    page.screenshot(path=SCREENS / "costs-broken.png", full_page=True)
    page.goto(f"{house.url}/staging/operations")

    assert notices == [
        "Not read. BigQuery does not answer; check the network",
        "Not read. Redis does not answer; check TWINGUARD_COUNTERS",
    ]
    assert (alerts, found, violations(page)) == (True, [], [])
    assert "BigQuery does not answer" in page.locator("#live").inner_text()
    assert page.get_by_role("heading", name="Audit trail").is_visible()


def test_the_keyboard_reaches_the_content_first_and_every_control(houses, visit):
    house, page = houses(ALARMING), visit()
    page.goto(f"{house.url}/staging/security")

    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))

    assert first == "Skip to the content"
    assert {"A", "INPUT", "SELECT", "BUTTON", "SUMMARY"} <= reached


def test_what_others_chose_is_never_markup_and_no_secret_is_in_any_page(houses, visit):
    house, page = houses(ALARMING), visit()

    for path in PAGES.values():
        page.goto(house.url + path)
        text = page.content()
        assert "<script>alert" not in text
        assert [secret for secret in SECRETS if secret in text] == []
