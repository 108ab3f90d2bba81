# SPDX-License-Identifier: Apache-2.0
"""What a person does on a page: confirmed, with a reason, by the same flows, and audited."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from browser.axe import violations
from browser.furniture import now
from browser.house import ALARMING, house


@pytest.fixture
def alarmed(tmp_path, exports):
    """A house of its own: these tests change it."""
    with house(tmp_path, ALARMING, exports) as found:
        yield found


def told(found) -> list[str]:
    """The alerts that the topic has."""
    return [json.loads(one.data)["title"] for one in found.stage.clocked.messages.values()]


def trail(found) -> list[dict]:
    return [stored.value for stored in found.staging.pipeline.ports.records.find("audit")]


@pytest.mark.parametrize("scripts", [True, False])
def test_holds_made_by_hand_are_ended_with_a_reason(alarmed, visit, scripts):
    page = visit(scripts=scripts)
    page.goto(f"{alarmed.url}/staging/operations")

    page.get_by_role("link", name="End holds made by hand").click()
    plan = page.locator(".plan").inner_text()
    page.get_by_label("Why").fill("the incident is over")
    page.get_by_role("button", name="End holds made by hand").click()
    page.wait_for_url("**/done/**")

    assert "held for budget/environment" in plan
    assert "by ada" in told(alarmed)[-1]
    assert "Asked for by ada" in " ".join(page.locator("dl").inner_text().split())
    begun = next(one for one in trail(alarmed) if one.get("action") == "WakeByHand")
    assert (begun["actor"], begun["detail"]) == ("ada", "the incident is over")
    held = alarmed.staging.pipeline.journal.active_holds()
    assert "manual" not in {key for hold in held for key in hold.keys}


def test_the_cap_is_lifted_and_everything_is_put_back(alarmed, visit):
    page = visit()
    page.goto(f"{alarmed.url}/staging/operations")

    page.get_by_role("link", name="Lift the cap").click()
    assert "cost breaker: closes" in page.locator(".plan").inner_text()
    page.get_by_label("Why").fill("finance agreed to more")
    page.get_by_role("button", name="Lift the cap").click()
    page.wait_for_url("**/done/**")
    outcome = page.locator(".outcome").inner_text()
    page.get_by_role("link", name="Operations of staging").click()

    assert outcome == "done"
    assert not alarmed.staging.pipeline.journal.breaker().value.open
    assert page.locator("text=The cost breaker is open").count() == 0
    assert page.get_by_role("link", name="Lift the cap").count() == 0
    assert "finance agreed to more" in page.locator("#live").inner_text()


def test_a_blocked_customer_key_is_unblocked(alarmed, visit):
    page = visit()
    page.goto(f"{alarmed.url}/staging/security")

    page.get_by_role("link", name="Unblock").click()
    page.get_by_label("Why").fill("the customer has a new one")
    found = violations(page)
    page.get_by_role("button", name="Switch it on again").click()
    page.wait_for_url("**/done/**")
    found += violations(page)
    page.get_by_role("link", name="Security of staging").click()

    assert found == []
    assert page.get_by_role("link", name="Unblock").count() == 0
    last = [one for one in trail(alarmed) if one.get("action") == "EnableKey"][-1]
    assert (last["actor"], last["detail"]) == ("ada", "the customer has a new one")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_key_held_for_theft_is_looked_into_and_unblocked(alarmed, visit, scripts):
    stolen = "0123456789abcdef-7777"
    name = alarmed.steal(stolen)
    page = visit(scripts=scripts)
    page.goto(f"{alarmed.url}/staging/security")
    blocked = page.get_by_label("Blocked keys").first.inner_text()

    page.get_by_role("link", name=f"{stolen} is stolen").click()
    page.wait_for_selector("h2:has-text('What was found')")
    incident = page.locator("[aria-labelledby=theft]").inner_text()
    found = violations(page) if scripts else []
    page.get_by_role("link", name="Unblock").click()
    plan = page.locator(".plan").inner_text()
    page.get_by_label("Why").fill("   ")
    page.get_by_label("It was the owner").check()
    found += violations(page) if scripts else []
    page.get_by_role("button", name="Unblock it").click()
    mistake = page.get_by_role("alert").inner_text()
    page.get_by_label("Why").fill("they moved their office")
    page.get_by_role("button", name="Unblock it").click()
    page.wait_for_url("**/done/**")

    assert "CRITICAL: burst" in blocked
    assert all(one in incident for one in (name, "203.0.113.9", "/v1/chat", "make unblock"))
    assert (f"end incident {name}" in plan, "Say why" in mistake, found) == (True, True, [])
    held = alarmed.staging.lifting.flow.theft_journal.theft(stolen)
    assert (held.ended_by, held.ended_why) == ("ada", "they moved their office")
    begun = next(one for one in trail(alarmed) if one.get("action") == "UnblockByHand")
    assert (begun["actor"], begun["detail"]) == ("ada", "they moved their office")
    page.goto(f"{alarmed.url}/staging/security")
    assert page.get_by_text("CRITICAL: burst").count() == 0


@pytest.mark.parametrize("scripts", [True, False])
def test_a_limit_on_models_is_set_for_a_while_and_given_back(alarmed, visit, scripts):
    page, book = visit(scripts=scripts), alarmed.staging.raising.book
    page.goto(f"{alarmed.url}/staging/costs")

    page.get_by_role("link", name="Set… the limit of environment:staging").click()
    plan = page.locator(".plan").inner_text()
    page.get_by_label("Limit, USD a month").fill("lots")
    page.get_by_label("Until").fill("2d")
    page.get_by_label("Why").fill("the launch goes on")
    page.get_by_role("button", name="Set this limit").click()
    mistake = page.get_by_role("alert").inner_text()
    wrong = page.locator("[aria-invalid]").get_attribute("name")
    found = violations(page) if scripts else []
    kept = page.get_by_label("Why").input_value()
    page.get_by_label("Limit, USD a month").fill("260.50")
    page.get_by_role("button", name="Set this limit").click()
    page.wait_for_url("**/done/**")
    receipt = page.locator(".ask").inner_text()
    page.get_by_role("link", name="Costs of staging").click()
    row = page.locator("tr:has-text('environment:staging')").inner_text()
    limits = {str(one.limit.scope): one for one in book.limits()}
    page.get_by_role("link", name="Give back… environment:staging").click()
    found += violations(page) if scripts else []
    page.get_by_label("Why").fill("the launch is over")
    page.get_by_role("button", name="Give it back").click()
    page.wait_for_url("**/done/**")

    assert "now the policy lets it spend 200.00 USD a month; 200.00 USD is spent" in plan
    assert ("write it as 80" in mistake, wrong, found) == (True, "amount", [])
    assert kept == "the launch goes on"
    assert "may spend 260.50 USD until" in receipt
    assert "at once. The operations team is told." in receipt
    assert all(one in row for one in ("260.50", "77\u00a0%", "ada until", "the launch goes on"))
    set_by = limits["environment:staging"]
    assert (set_by.by, set_by.limit.nanos) == ("ada", 260_500_000_000)
    assert set_by.limit.until - set_by.at == dt.timedelta(days=2)
    mine = [one["action"] for one in trail(alarmed) if one.get("actor") == "ada"]
    assert mine[-4:] == ["RaiseByHand", "SetLimit", "UnraiseByHand", "SetLimit"]
    assert "may spend 260.50 USD" in " ".join(told(alarmed))
    standing = alarmed.staging.raising.of_scope(set_by.limit.scope, now()).standing
    assert standing.limit == 200_000_000_000


def test_without_a_reason_nothing_is_done(alarmed, visit):
    page = visit(scripts=False)
    before = trail(alarmed)
    page.goto(f"{alarmed.url}/staging/act/wake/manual")

    page.get_by_label("Why").fill("   ")
    page.get_by_role("button", name="End holds made by hand").click()

    assert "Say why" in page.get_by_role("alert").inner_text()
    assert trail(alarmed) == before


def test_what_cannot_be_done_has_no_button_and_says_why(alarmed, visit):
    page = visit()

    page.goto(f"{alarmed.url}/staging/act/wake/night")
    night = page.get_by_role("alert").inner_text()
    page.goto(f"{alarmed.url}/staging/act/rotate/openai-api-key")

    assert "Nothing is held for this reason any more." in night
    assert "It cannot be done now." in page.get_by_role("alert").inner_text()
    assert page.get_by_role("button").count() == 0
