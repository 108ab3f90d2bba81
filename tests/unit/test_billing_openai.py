# SPDX-License-Identifier: Apache-2.0
"""OpenAI's costs to the last digit, in requests of the published form; the key is never told."""

from __future__ import annotations

import datetime as dt
import json
import logging
import traceback
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from twinguard.billing import open_costs
from twinguard.billing.openai_costs import OpenAICosts
from twinguard.decide.spend import Basis, Dimension, Line, Query
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.standins.openai_costs import KEY, Spent
from twinguard.standins.openai_costs import OpenAICosts as StandIn

SCHEMA = Path(__file__).parents[1] / "data" / "vendors" / "openai_costs.schema.json"
FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
ENVIRONMENTS = {"proj_live": "production", "proj_test": "staging"}
INPUT, IMAGES = "gpt-4o-2024-08-06, input", "Image models"
SPENT = (
    Spent(FIRST, "proj_live", INPUT, "key_a", Decimal("0.1")),
    Spent(FIRST, "proj_live", INPUT, "key_b", Decimal("0.2")),
    Spent(FIRST, "proj_test", IMAGES, "key_a", Decimal("12345678901.123456789012345")),
    Spent(LAST, "proj_live", IMAGES, "key_a", Decimal("3E-12")),
    Spent(LAST, "proj_live", IMAGES, "key_a", Decimal(7), "eur"),
    Spent(LAST + dt.timedelta(days=1), "proj_live", IMAGES, "key_a", Decimal(1000)),
)


def asked(*by: Dimension, **more) -> Query:
    return Query(**({"by": by, "first": FIRST, "last": LAST} | more))


@pytest.fixture
def openai():
    with StandIn(SPENT) as openai:
        yield openai


@pytest.fixture
def costs(openai):
    return OpenAICosts.from_environment(openai.environment, ENVIRONMENTS)


def told(lines: tuple[Line, ...]) -> list[tuple[object, ...]]:
    assert all(line.credits == 0 for line in lines)
    return [(*line.keys, line.currency, line.cost) for line in lines]


def test_a_year_is_told_to_the_last_digit_and_currencies_stay_apart(costs):
    assert told(costs.lines(asked())) == [
        ("EUR", Decimal(7)),
        ("USD", Decimal("12345678901.423456789015345")),
    ]


@pytest.mark.parametrize(
    ("dimension", "names"),
    [
        (Dimension.DAY, ["2026-01-01", "2026-12-31", "2026-12-31"]),
        (Dimension.MONTH, ["2026-01", "2026-12", "2026-12"]),
        (Dimension.PROJECT, ["proj_live", "proj_live", "proj_test"]),
        (Dimension.ENVIRONMENT, ["production", "production", "staging"]),
        (Dimension.SKU, ["Image models", "Image models", INPUT]),
        (Dimension.MODEL, ["gpt-4o-2024-08-06", None, None]),
        (Dimension.KEY, ["key_a", "key_a", "key_b"]),
        (Dimension.SERVICE, ["OpenAI", "OpenAI"]),
        (Dimension.COST_TYPE, ["regular", "regular"]),
        (Dimension.TENANT, [None, None]),
        (Dimension.FEATURE, [None, None]),
    ],
)
def test_costs_are_told_apart_as_far_as_openai_knows(costs, dimension, names):
    lines = costs.lines(asked(dimension))

    assert [line.keys[0] for line in lines] == names
    assert sum(line.net for line in lines) == sum(each.amount for each in SPENT[:-1])


@pytest.mark.parametrize(
    ("wanted", "total"),
    [
        ({"environment": "production"}, [7, Decimal("0.300000000003")]),
        ({"environment": "staging"}, [SPENT[2].amount]),
        ({"project": "proj_test"}, [SPENT[2].amount]),
        ({"project": "proj_test", "environment": "production"}, []),
        ({"environment": "development"}, []),
        ({"tenant": "acme"}, []),
    ],
)
def test_costs_are_selected_by_project_and_environment(costs, wanted, total):
    assert [line.cost for line in costs.lines(asked(**wanted))] == total


def test_an_environment_needs_to_be_known_by_its_project(openai):
    unknowing = OpenAICosts.from_environment(openai.environment)

    with pytest.raises(Misconfigured, match="which project is which environment's"):
        unknowing.lines(asked(environment="production"))


def test_a_month_of_an_invoice_is_asked_whole(costs, openai):
    middle = asked(basis=Basis.INVOICE, first=dt.date(2026, 2, 9), last=dt.date(2026, 2, 10))
    costs.lines(middle)

    (exchange,) = openai.asked
    days = [
        dt.datetime.fromtimestamp(int(exchange.query[name][0]), dt.UTC).date()
        for name in ("start_time", "end_time")
    ]
    assert days == [dt.date(2026, 2, 1), dt.date(2026, 3, 1)]


def test_every_request_and_answer_is_of_the_published_form(costs, openai):
    costs.lines(asked(*Dimension, environment="production"))

    schema = json.loads(SCHEMA.read_text())
    for exchange in openai.asked:
        for name, value in (("query", exchange.query), ("page", json.loads(exchange.answer))):
            part = schema | {"$ref": f"#/$defs/{name}"}
            jsonschema.Draft202012Validator(part).validate(value)
    assert [exchange.query.get("page") for exchange in openai.asked] == [
        None,
        ["page_180"],
        ["page_360"],
    ]
    assert openai.asked[0].query["group_by"] == ["api_key_id", "line_item", "project_id"]


@pytest.mark.parametrize("status", [401, 403, 400, 404, 408, 429, 500, 503, 302])
def test_a_refusal_says_what_to_do_and_never_the_key(costs, openai, status, caplog):
    caplog.set_level(logging.DEBUG)
    openai.failures = [status]

    with pytest.raises(TwinguardError) as refused:
        costs.lines(asked())

    is_later = status in {408, 429, 500, 503}
    assert isinstance(refused.value, Unavailable if is_later else Misconfigured)
    everything = "".join(traceback.format_exception(refused.value)) + caplog.text + repr(costs)
    assert KEY not in everything


def test_nobody_there_is_unavailable_and_tells_no_key():
    costs = OpenAICosts(KEY, endpoint="http://127.0.0.1:9")

    with pytest.raises(Unavailable) as refused:
        costs.lines(asked())

    assert KEY not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "not OpenAI's"),
        (b'{"data": [{"results": []}, {}]}', "no start"),
        (b'{"data": [{"start_time": 1e99, "results": [{}]}]}', "no start"),
        (b'{"data": [{"start_time": 1767225600, "results": [{}]}]}', "an amount cannot be read"),
        (b'{"data": [], "has_more": true}', "does not say where"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_nonsense_is_never_counted(costs, openai, monkeypatch, answer, told):
    monkeypatch.setattr(openai, "answered", lambda *_: (200, answer))

    with pytest.raises(Unavailable, match=told):
        costs.lines(asked())


@pytest.mark.parametrize("value", ['"0.1"', "0.1", "1e-1"])
def test_an_amount_may_be_a_number_or_a_text(costs, openai, monkeypatch, value):
    result = f'{{"amount": {{"value": {value}, "currency": "usd"}}}}'
    page = f'{{"data": [{{"start_time": 1767225600, "results": [{result}]}}]}}'
    monkeypatch.setattr(openai, "answered", lambda *_: (200, page.encode()))

    assert told(costs.lines(asked())) == [("USD", Decimal("0.1"))]


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"NaN"', '"ten"', "null", "{}"])
def test_an_amount_that_is_none_is_never_counted(costs, openai, monkeypatch, value):
    result = f'{{"amount": {{"value": {value}, "currency": "usd"}}}}'
    page = f'{{"data": [{{"start_time": 1767225600, "results": [{result}]}}]}}'
    monkeypatch.setattr(openai, "answered", lambda *_: (200, page.encode()))

    with pytest.raises(Unavailable, match="nothing is counted"):
        costs.lines(asked())


def test_pages_without_end_are_given_up(costs, openai, monkeypatch):
    page = b'{"data": [], "has_more": true, "next_page": "page_1"}'
    monkeypatch.setattr(openai, "answered", lambda *_: (200, page))

    with pytest.raises(Unavailable, match="more than 200 pages"):
        costs.lines(asked())


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://api.openai.com", "https://api.openai.com.evil.example", "http://10.0.0.1"),
        *("https://user@api.openai.com", "https://api.openai.com/v2", "https://evil.example"),
        *("https://api.openai.com:8443", "file:///etc/passwd", "https://api.openai.com?x=1"),
    ],
)
def test_the_key_goes_to_openai_or_to_this_machine_only(endpoint):
    with pytest.raises(Misconfigured, match="OPENAI_ENDPOINT"):
        OpenAICosts(KEY, endpoint=endpoint)


@pytest.mark.parametrize("endpoint", ["", "https://api.openai.com", "http://127.0.0.1:1/"])
def test_these_addresses_are_openais_or_ours(endpoint):
    assert OpenAICosts(KEY, endpoint=endpoint).endpoint.startswith(endpoint.rstrip("/"))


@pytest.mark.parametrize("key", ["", "sk-a b", "sk-a\n", "sk-ä"])
def test_a_key_that_is_none_is_refused_without_telling_it(key):
    with pytest.raises(Misconfigured, match="OPENAI_ADMIN_KEY") as refused:
        open_costs("openai://", environ={"OPENAI_ADMIN_KEY": key})

    assert not key or key not in str(refused.value)


def test_a_day_is_complete_a_day_after_its_end(costs):
    fresh = costs.freshness(dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC))

    assert (fresh.through, fresh.newest) == (dt.date(2026, 11, 21), None)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start_time=x",
        "start_time=1&end_time=9&limit=181",
        "start_time=1&end_time=9&limit=0",
        "start_time=1&end_time=9&group_by=model",
        "start_time=1&end_time=9&bucket_width=1h",
        "start_time=1&end_time=9&surprise=1",
        "start_time=1&start_time=2&end_time=9",
    ],
)
def test_the_stand_in_refuses_what_openai_would(openai, query):
    status, _ = openai.answered(f"/v1/organization/costs?{query}", f"Bearer {KEY}")

    assert status == 400
