# SPDX-License-Identifier: Apache-2.0
"""Print costs for people, or as JSON: the month, a breakdown, the gate's ruling.

Colour says one thing only: a limit is near (yellow) or reached (red)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from twinguard.decide.gate import Ruling, Verdict, bar
from twinguard.decide.money import change, money, percent
from twinguard.decide.spend import (
    UNATTRIBUTED,
    Anomaly,
    Basis,
    BudgetStand,
    Dimension,
    Freshness,
    Line,
    Overview,
    Share,
)
from twinguard.decide.stands import limit_of
from twinguard.readers import ready
from twinguard.reports.markdown import sparkline
from twinguard.reports.names import named
from twinguard.reports.stamps import month_name, stamp

if TYPE_CHECKING:
    from twinguard.cli.costs_source import Opened
    from twinguard.costs import Month

ready(Overview, Line)

TOLD = (
    (Dimension.SERVICE, "service"),
    (Dimension.MODEL, "model"),
    (Dimension.TENANT, "customer"),
    (Dimension.FEATURE, "feature"),
)
_NEAR = Decimal(75)
"""Per cent of the way to the cap from which the budget's bar is yellow."""


def month(found: Opened, told: Month, top: int, *, as_json: bool) -> None:
    """One environment's month, in each currency."""
    if as_json:
        _json({**_head(found), "overviews": _plainly(told.overviews)})
        return
    console = Console()
    _note(console, found)
    for overview in told.overviews:
        _overview(console, overview, top)
    last = told.overviews[0].days[-1].date if told.overviews[0].days else told.overviews[0].month
    _stamp(console, told.freshness, last)


def breakdown(
    found: Opened,
    by: tuple[Dimension, ...],
    lines: tuple[Line, ...],
    basis: Basis,
    top: int,
    last: dt.date,
    *,
    as_json: bool,
) -> None:
    """A month's costs by the dimensions that were asked for; `last` is the month's last day."""
    if as_json:
        fresh = _plainly(found.ledger.freshness)
        told = {"by": [str(one) for one in by], "basis": basis.value, "freshness": fresh}
        _json({**_head(found), **told, "lines": _plainly(lines)})
        return
    console = Console()
    _note(console, found)
    for currency in sorted({line.currency for line in lines}):
        own = [line for line in lines if line.currency == currency]
        total = sum((line.net for line in own), Decimal(0))
        table = _table(f"By {', '.join(by)} ({basis}), {currency}", [str(one) for one in by])
        for heading in ("cost", "credits", "net", "share"):
            table.add_column(heading, justify="right", no_wrap=True)
        ranked = sorted(own, key=lambda line: -line.net)
        for line in ranked[:top]:
            amounts = (line.cost, line.credits, line.net)
            cells = [money(amount, currency).rpartition(" ")[0] for amount in amounts]
            table.add_row(*map(_name, line.keys), *cells, _share(line.net, total))
        if rest := ranked[top:]:
            left = sum((line.net for line in rest), Decimal(0))
            blanks = ["" for _ in by[1:]]
            count = f"{len(rest)} more"
            table.add_row(count, *blanks, "", "", money(left, currency).rpartition(" ")[0], "")
        table.add_section()
        table.add_row("total", *["" for _ in by[1:]], "", "", _plain(total, currency), "100 %")
        console.print(table)
    if not lines:
        console.print("No costs in this month.")
    _stamp(console, found.ledger.freshness, last)


def ruling(found: Opened, told: Ruling, text: str, *, as_json: bool) -> None:
    """What the gate says, or its comment."""
    if as_json:
        _json(
            {
                **_head(found),
                "verdict": told.verdict.name.lower(),
                "exit_code": told.verdict.value,
                "reason": told.reason,
                "budget": _plainly(told.stand),
                "freshness": _plainly(told.freshness),
            }
        )
        return
    if text:
        say(text)
        return
    console = Console()
    _note(console, found)
    style = {Verdict.ROOM: "green", Verdict.OVER: "red"}.get(told.verdict, "yellow")
    console.print(f"[{style}]{told.verdict.name.replace('_', ' ').lower()}[/{style}]: ", end="")
    console.print(escape(told.reason))
    _stamp(console, told.freshness, told.freshness.through or dt.date.min)


def say(text: str) -> None:
    """A line as it is."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


# --- a month -------------------------------------------------------------------------------------


def _overview(console: Console, told: Overview, top: int) -> None:
    currency = told.currency
    console.print(
        f"\n[bold]Costs of {escape(told.environment)}, {month_name(told.month)}[/bold]"
        f" · {money(told.spent, currency)} net"
    )
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    if told.days:
        days = [day.amount for day in told.days]
        first, last = told.days[0].date, told.days[-1].date
        facts.add_row("day by day", f"{sparkline(days)}  {first:%d} to {last:%d}")
    if told.same_days_before:
        moved = change(told.same_days_before, told.complete, currency)
        facts.add_row("month before", f"{moved} against its same days")
    gross = f"{money(told.cost, currency)} before credits of {money(-told.credits, currency)}"
    facts.add_row("costs", gross)
    for name, amount in _special(told):
        facts.add_row(name, money(amount, currency))
    if told.budget is not None:
        _budget(facts, told.budget)
    if told.forecast is not None:
        ends = f"{money(told.forecast.low, currency)} to {money(told.forecast.high, currency)}"
        facts.add_row("month's end", f"{money(told.forecast.middle, currency)}, likely {ends}")
    for note in told.notes:
        facts.add_row("", escape(note))
    console.print(facts)
    for dimension, word in TOLD:
        _parts(console, told, dimension, word, top)
    for anomaly in told.anomalies:
        _anomaly(console, anomaly)
    for other, amount in told.other_currencies:
        console.print(f"Besides: {money(amount, other)}; currencies are never added.")


def _budget(facts: Table, stand: BudgetStand) -> None:
    limit = limit_of(stand)
    to_cap = 100 * stand.basis / limit if limit else Decimal(0)
    style = "red" if stand.basis >= limit else "yellow" if to_cap >= _NEAR else "green"
    amount = money(stand.amount, stand.currency)
    facts.add_row("budget", f"[{style}]{bar(stand.percent)}[/{style}] of {amount}")
    told = [f"{step:f} % passed" for step in stand.crossed[-1:]]
    told += [f"next at {stand.next:f} %"] if stand.next is not None else []
    reached = f"used up on {stand.reached_on:%d %B}" if stand.reached_on else "lasts this month"
    burn = f"{money(stand.burn, stand.currency)} a day"
    facts.add_row("", ", ".join((*told, burn, reached)))


def _parts(console: Console, told: Overview, dimension: Dimension, word: str, top: int) -> None:
    shares = [share for share in told.parts.get(dimension, ()) if share.net or share.before]
    if not any(share.name for share in shares):
        return
    table = _table("", [word])
    table.add_column("net", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("complete days, month on month", justify="right", no_wrap=True)
    ranked = sorted(shares, key=lambda share: (share.name is None, -share.net))
    shown = ranked if len(ranked) <= top + 1 else ranked[:top]
    for share in shown:
        _part(table, share.name, share, told)
    if left := ranked[len(shown) :]:
        net = sum((share.net for share in left), Decimal(0))
        before = sum((share.before for share in left), Decimal(0))
        after = sum((share.after for share in left), Decimal(0))
        whole = Share(name=f"{len(left)} more", net=net, before=before, complete=after)
        _part(table, whole.name, whole, told)
    console.print(table)


def _part(table: Table, name: str | None, share: Share, told: Overview) -> None:
    moved = change(share.before, share.after, told.currency) if share.before else "new"
    net = _plain(share.net, told.currency)
    table.add_row(_name(name), net, _share(share.net, told.spent), moved)


def _anomaly(console: Console, anomaly: Anomaly) -> None:
    currency = anomaly.currency
    verb = "cost" if anomaly.actual >= anomaly.expected else "dropped to"
    console.print(
        f"[yellow]![/yellow] {_name(anomaly.name)} {verb} {money(anomaly.actual, currency)} on "
        f"{anomaly.date:%d %B}; {money(anomaly.expected, currency)} was expected"
    )
    for driver in anomaly.drivers:
        moved = change(driver.before, driver.after, currency)
        console.print(f"    {_name(driver.name)}: {moved}")


def _special(told: Overview) -> Iterator[tuple[str, Decimal]]:
    """What is on the invoice besides usage: tax, rounding, corrections of earlier months."""
    for share in told.by_cost_type:
        if share.name not in {None, "regular"} and share.net:
            yield f"of it {str(share.name).replace('_', ' ')}", share.net
    if told.corrections:
        yield "of it corrections", told.corrections


# --- pieces --------------------------------------------------------------------------------------


def _table(title: str, headings: list[str]) -> Table:
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    return table


def _name(name: str | None) -> str:
    return f"[dim]{UNATTRIBUTED}[/dim]" if name is None else escape(named(name))


def _plain(amount: Decimal, currency: str) -> str:
    return money(amount, currency).rpartition(" ")[0]


def _share(net: Decimal, total: Decimal) -> str:
    return percent(100 * net / total) if total > 0 else ""


def _stamp(console: Console, freshness: Freshness, last: dt.date) -> None:
    for line in stamp([freshness], last):
        console.print(f"[dim]{escape(line)}[/dim]")


def beside(found: Opened, last: dt.date) -> None:
    """What must be said of rows that are for programs: on standard error, out of their way."""
    console = Console(stderr=True)
    _note(console, found)
    _stamp(console, found.ledger.freshness, last)


def _note(console: Console, found: Opened) -> None:
    if found.note:
        console.print(f"[yellow]{escape(found.note)}[/yellow]")


def _head(found: Opened) -> dict[str, object]:
    return {
        "environment": found.policy.environment.value,
        "scope": found.ledger.scope.words,
        "note": found.note,
        "is_sample": found.is_sample,
    }


def _json(told: object) -> None:
    print(json.dumps(told, indent=2, ensure_ascii=False, default=_exact))


def _plainly(told: object) -> object:
    return msgspec.to_builtins(told, builtin_types=(Decimal,))


def _exact(amount: object) -> str:
    """An amount as text, digit by digit: JSON's numbers are floats to most who read them."""
    return f"{amount.normalize():f}" if isinstance(amount, Decimal) else str(amount)
