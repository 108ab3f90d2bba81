# SPDX-License-Identifier: Apache-2.0
"""Jobs that can wait: planned, held, sent, resumed and settled, with a provider on real sockets."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

import gateways
from gateways import EMBEDDER, HELLO, MODEL
from twinguard import config, state
from twinguard.cli.batch import app
from twinguard.decide.ledger import Refused, Scope
from twinguard.errors import BadEvent, Unavailable
from twinguard.llm.batch_api import BatchApi
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.llm.offline import Offline
from twinguard.llm.prices import Prices
from twinguard.policy import Environment
from twinguard.secret_text import SecretText
from twinguard.standins.openai_provider import OpenAIProvider

INPUT, OUTPUT = 15_000, 30_000  # half of gpt-4's price, in nano-dollars a token


def row(number, **body):
    asked = {"model": MODEL, "messages": HELLO, "max_tokens": 100} | body
    told = {"custom_id": f"c{number}", "method": "POST", "url": "/v1/chat/completions"}
    return told | {"body": asked}


def file_of(*rows):
    return "".join(json.dumps(one) + "\n" for one in rows).encode()


class Sink:
    def __init__(self):
        self.lines = []

    def tell(self, line):
        self.lines.append(line)


class Desk:
    """An environment that sends batches, over and over with the same ledger and records."""

    def __init__(self, provider, **limits):
        found = gateways.policy()
        self.policy = replace(found, openai=replace(found.openai, **limits))
        self.records = state.open_records("sqlite://")
        self.ledger = MemoryLedger(budgets_of(self.policy))
        self.sink = Sink()
        self.provider = provider

    @property
    def offline(self):
        api = BatchApi(self.provider.url, SecretText(gateways.PROVIDER_KEY))
        return Offline(
            self.policy,
            self.ledger,
            Prices(),
            self.records,
            api,
            self.sink,
            lambda: dt.datetime.now(dt.UTC),
        )

    def standing(self):
        (found,) = self.ledger.totals([Scope.of("tenant:acme")])
        return found


@pytest.fixture
def provider():
    with OpenAIProvider() as found:
        yield found


@pytest.fixture
def desk(provider):
    return Desk(provider)


def over(offline, job):
    offline.look(job)
    return offline.look(job)


def test_a_batch_is_held_sent_and_settled_at_half_price(desk, provider, tmp_path):
    order = desk.offline.order(file_of(*map(row, range(3))))

    job = desk.offline.begin(order, "acme", "reports")
    held = desk.standing()
    early = desk.offline.look(job)
    stage = desk.offline.look(job)
    job, results = desk.offline.end(order, job, stage, tmp_path / "out.jsonl")

    assert held.held == order.nanos
    assert (early.status, early.is_over, stage.status) == ("in_progress", False, "completed")
    spent = 3 * (9 * INPUT + 5 * OUTPUT)
    assert job.spent == spent
    assert (desk.standing().spent, desk.standing().held) == (spent, 0)
    assert len(results.splitlines()) == 3
    assert (tmp_path / "out.jsonl").read_bytes() == results
    assert [(line.batch, line.feature, line.nanos) for line in desk.sink.lines] == [
        (True, "reports", spent // 3)
    ] * 3
    assert provider.batches.files == {}, "others share the provider's key: nothing stays there"


def test_what_cannot_be_held_is_not_sent(provider):
    desk = Desk(provider, monthly_budget=Decimal("0.001"))
    order = desk.offline.order(file_of(row(1)))

    found = desk.offline.begin(order, "acme", "reports")

    assert isinstance(found, Refused)
    assert provider.seen == []


def test_the_same_command_goes_on_and_never_sends_twice(desk, provider, tmp_path):
    order = desk.offline.order(file_of(row(1)))

    first = desk.offline.begin(order, "acme", "reports")
    again = desk.offline.begin(order, "acme", "reports")

    assert again == first
    assert len(provider.batches.batches) == 1
    assert desk.standing().held == order.nanos
    job, _ = desk.offline.end(order, first, over(desk.offline, first), tmp_path / "o")
    settled = desk.standing().spent
    assert desk.offline.job(order, "acme") == job
    assert desk.standing().spent == settled


@pytest.mark.parametrize("step", [1, 2])
def test_an_answer_that_is_lost_on_its_way_starts_no_second_batch(desk, provider, step):
    """The provider made it, and we never heard: it is found by its name."""
    order = desk.offline.order(file_of(row(1)))
    real, calls = provider.batches.answer, []

    def lossy(method, path, raw, headers):
        status, told = real(method, path, raw, headers)
        if method == "POST":
            calls.append(path)
            if len(calls) == step:
                return 500, b"{}"
        return status, told

    provider.batches.answer = lossy
    with pytest.raises(Unavailable):
        desk.offline.begin(order, "acme", "reports")
    job = desk.offline.begin(order, "acme", "reports")

    assert list(provider.batches.batches) == [job.batch]
    assert desk.standing().held == order.nanos


def test_a_batch_that_ends_half_done_costs_half(desk, provider, tmp_path):
    provider.batches.ending = "expired"
    order = desk.offline.order(file_of(*map(row, range(4))))
    job = desk.offline.begin(order, "acme", "reports")

    job, _ = desk.offline.end(order, job, over(desk.offline, job), tmp_path / "o")

    assert job.ended == "expired"
    assert desk.standing().spent == 2 * (9 * INPUT + 5 * OUTPUT)
    assert desk.standing().held == 0


def test_requests_that_failed_cost_nothing(desk, provider, tmp_path):
    provider.batches.fails = {"c0", "c2"}
    order = desk.offline.order(file_of(*map(row, range(3))))
    job = desk.offline.begin(order, "acme", "reports")

    job, results = desk.offline.end(order, job, over(desk.offline, job), tmp_path / "o")

    assert len(results.splitlines()) == 3
    assert job.spent == 9 * INPUT + 5 * OUTPUT


def test_a_tenants_file_is_its_own_job(desk):
    order = desk.offline.order(file_of(row(1)))

    acme = desk.offline.begin(order, "acme", "reports")
    globex = desk.offline.begin(order, "globex", "reports")

    assert acme.id != globex.id
    assert acme.batch != globex.batch


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "1 to 50,000 requests"),
        (b"{\n", "line 1"),
        (file_of(row(1), row(1)), "'c1' is there twice"),
        (file_of(row(1)) + b'\n{"custom_id": "x"}\n', "line 3"),
        (file_of(row(1) | {"url": "/v1/files"}), "line 1"),
        (file_of(row(1, model="o1-pro")), "is not OpenAI's"),
        (file_of(row(1, stream=True)), "it is streamed"),
        (file_of(row(1, max_tokens=10**6)), "1000 at most"),
        (file_of(row(1, tools=[{"type": "web_search"}])), "has no bound"),
        (
            file_of(
                row(1),
                row(2, model=EMBEDDER, input="x") | {"url": "/v1/embeddings"},
            ),
            "split the file",
        ),
        (b'{"custom_id": "a", "custom_id": "b", "url": "/v1/embeddings", "body": {}}', "twice"),
    ],
)
def test_a_file_that_cannot_be_served_is_refused_by_line(desk, raw, told):
    with pytest.raises(BadEvent, match=told.replace("'", ".")):
        desk.offline.order(raw)


def test_the_command_plans_sends_looks_and_fetches(provider, tmp_path, monkeypatch):
    file = tmp_path / "requests.jsonl"
    model = config.load(config.path_of(Environment.STAGING)).openai.model
    file.write_bytes(file_of(*(row(number, model=model) for number in range(2))))
    usage = tmp_path / "usage.jsonl"
    for name, value in {
        "TWINGUARD_RECORDS": f"sqlite:///{tmp_path / 'records.db'}",
        "TWINGUARD_LLM_USAGE": str(usage),
        "OPENAI_API_KEY": gateways.PROVIDER_KEY,
        "OPENAI_ENDPOINT": provider.url,
    }.items():
        monkeypatch.setenv(name, value)
    told = ["--env", "staging", "--file", str(file), "--tenant", "acme"]
    runner = CliRunner()

    planned = runner.invoke(app, told)
    sent = runner.invoke(app, [*told, "--apply"])
    fetched = runner.invoke(app, told)
    again = runner.invoke(app, told)

    assert planned.exit_code == 0
    assert "Nothing was sent" in planned.output
    assert (sent.exit_code, "in_progress" in sent.output) == (1, True)
    assert (fetched.exit_code, "2 results in" in fetched.output) == (0, True)
    assert (again.exit_code, "completed; it cost" in again.output) == (0, True)
    assert len((tmp_path / "requests.results.jsonl").read_text().splitlines()) == 2
    assert len(usage.read_text().splitlines()) == 2
    assert len(provider.batches.batches) == 1
