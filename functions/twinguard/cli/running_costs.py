# SPDX-License-Identifier: Apache-2.0
"""Say what Twinguard itself costs an environment each month, from its policy and list prices.

Reads nothing but the policy. The estimate is in `decide/running_costs.py`."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Annotated

import typer
from rich.console import Console

from twinguard import config
from twinguard.cli import scale_output
from twinguard.cli.exits import exiting
from twinguard.cli.markdown import table
from twinguard.decide import running_costs, running_prices
from twinguard.decide.running_costs import Line, Unpriced, estimate
from twinguard.policy import Environment, Policy

CENT = Decimal("0.01")
ASSUMED = (
    f"uses reported {running_costs.BATCH} at a time",
    f"{running_costs.BUDGET_MESSAGES} budget messages a day",
    f"{running_costs.ALERTS} alerts a month",
    f"{running_costs.SECONDS} s an event",
    f"{running_costs.STARTS} starts of dispatch_alert a month",
    f"instances without counters awake for {running_costs.LISTENING_HOURS} hours a month",
    f"a billing export of {running_costs.EXPORT_GIB} GiB",
)
LEFT_OUT = (
    "the application, the gateway and the models",
    "persistence and endpoints of Memorystore",
    "older versions of records and of Terraform's state",
    "flow logs of the private network",
    "data that leaves the region",
    "builds beyond the free minutes",
)


def rows(found: tuple[Line | Unpriced, ...]) -> list[tuple[str, ...]]:
    """A row for each line, and their sum."""
    made = [_row(line) for line in found]
    priced = [line for line in found if isinstance(line, Line)]
    sums = (sum(one.list_cost for one in priced), sum(one.cost for one in priced))
    return [*made, ("together", "", "", *(_money(Decimal(each)) for each in sums))]


def _row(line: Line | Unpriced) -> tuple[str, ...]:
    if isinstance(line, Unpriced):
        return line.product, line.what, "", "no price known", "no price known"
    amount = f"{_rounded(line.amount)} {line.price.unit}"
    return line.product, line.purpose, amount, _money(line.list_cost), _money(line.cost)


def _rounded(amount: Decimal) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"  # noqa: PLR2004 - whole ones then


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(CENT, ROUND_HALF_UP):,}"


HEADINGS = ("product", "what for", "a month", "list, USD", "after what is free, USD")


def markdown(policies: tuple[Policy, ...]) -> str:
    """The estimate of each environment that is deployed, as Markdown."""
    parts = []
    for policy in policies:
        requests = running_costs.REQUESTS[policy.environment]
        if found := estimate(policy, requests):
            title = f"### {policy.environment}, {requests:,} guarded requests a month"
            parts.append(f"{title}\n\n{table(HEADINGS, rows(found))}")
    sources = "\n".join(f"- {name}: <{link}>" for name, link in running_prices.SOURCES)
    return "\n\n".join(
        (
            *parts,
            "### Assumed",
            "\n".join(f"- {each}" for each in ASSUMED),
            "### Not in it",
            "\n".join(f"- {each}" for each in LEFT_OUT),
            f"### Prices of {running_prices.SEEN}",
            sources,
        )
    )


def main(
    *,
    env: Annotated[str, typer.Option(help="production, staging, development or ci.")],
    requests: Annotated[
        int | None, typer.Option(min=0, help="Requests a month that the middleware guards.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Estimate what Twinguard itself costs a month, product by product.

    Exit codes: 0 told, 2 wrong usage."""
    with exiting():
        policy = config.load(config.path_of(config.environment_named(env)))
    many = running_costs.REQUESTS[policy.environment] if requests is None else requests
    found = estimate(policy, many)
    if as_json:
        _print_json(policy.environment, many, found)
    else:
        _print(policy.environment, many, found)


def _print_json(
    environment: Environment, requests: int, found: tuple[Line | Unpriced, ...]
) -> None:
    names = ("product", "purpose", "amount", "list_usd", "usd")
    told = {
        "environment": environment.value,
        "requests": requests,
        "prices_of": running_prices.SEEN,
        "lines": [dict(zip(names, _row(line), strict=True)) for line in found],
        "unpriced": [line.what for line in found if isinstance(line, Unpriced)],
    }
    typer.echo(json.dumps(told, indent=2))


def _print(environment: Environment, requests: int, found: tuple[Line | Unpriced, ...]) -> None:
    if not found:
        typer.echo(f"{environment} has no cloud: it costs nothing.")
        return
    made = scale_output.table(f"{environment}, {requests:,} guarded requests a month, in USD")
    made.add_column("product", no_wrap=True)
    made.add_column("what for")
    made.add_column("a month")
    made.add_column("list", justify="right")
    made.add_column("to pay", justify="right")
    *lines, total = rows(found)
    for before, (product, *cells) in pairwise([("",), *lines]):
        made.add_row("" if product == before[0] else product, *cells)
    made.add_section()
    made.add_row(*total, style="bold")
    console = Console(highlight=False)
    console.print(made)
    console.print("To pay is what is left after what is free, if nothing else uses that.")
    console.print(f"Assumed: {'; '.join(ASSUMED)}.")
    console.print(f"Not in it: {'; '.join(LEFT_OUT)}.")
    console.print(f"List prices of {running_prices.SEEN}; docs/running-costs.md has the pages.")


if __name__ == "__main__":
    typer.run(main)
