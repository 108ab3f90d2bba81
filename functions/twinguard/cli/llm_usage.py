# SPDX-License-Identifier: Apache-2.0
"""Tell from a usage log how calls to models went: how many, from the cache, saved, broken, cost.

Exit codes: 0 told, 2 wrong usage."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from rich.text import Text

from twinguard.billing.usage_log import lines_of
from twinguard.cli.desk import AsJson, exiting
from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.ledger import dollars_of, usd
from twinguard.errors import Misconfigured

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


class By(enum.StrEnum):
    """What rows are told apart by; the values are the log's names."""

    TENANT = "tenant"
    FEATURE = "feature"
    MODEL = "gen_ai.request.model"
    KEY = "key_id"
    TASK = "task"


class _Line(Struct, frozen=True):
    id: str
    cost_nanos: int
    kind: str = "usage"
    outcome: str = "done"
    estimated: bool = False
    batch: bool = False
    tenant: str = ""
    feature: str = ""
    key_id: str = ""
    task: str = ""
    model: str = msgspec.field(name="gen_ai.request.model", default="")
    read: int = msgspec.field(name="gen_ai.usage.input_tokens", default=0)
    written: int = msgspec.field(name="gen_ai.usage.output_tokens", default=0)

    def of(self, by: By) -> str:
        """What a dimension says of it."""
        return str(getattr(self, "model" if by is By.MODEL else by.value)) or "-"


@dataclass
class Sums:
    """What lines add up to. `attempts` asked a provider; `cached` did not have to."""

    attempts: int = 0
    cached: int = 0
    broken: int = 0
    estimated: int = 0
    batched: int = 0
    tokens: int = 0
    nanos: int = 0
    saved: int = 0
    seen: set[str] = field(default_factory=set, repr=False)

    def add(self, line: _Line) -> None:
        """Add a line, once."""
        if line.id in self.seen:
            return
        self.seen.add(line.id)
        self.nanos += line.cost_nanos
        if line.kind == "credit":
            self.saved -= line.cost_nanos
            return
        is_cached = line.outcome == "cached"
        self.cached += is_cached
        self.attempts += not is_cached
        self.broken += line.outcome in {"broken", "left"}
        self.estimated += line.estimated
        self.batched += line.batch
        self.tokens += 0 if is_cached else line.read + line.written

    @property
    def hit_rate(self) -> float:
        """The share of calls that the cache answered."""
        return self.cached / max(1, self.cached + self.attempts)


@app.command()
def usage(
    *,
    file: Annotated[Path, typer.Option(help="The gateway's usage log.")],
    by: Annotated[str, typer.Option(help="tenant, feature, model, key or task.")] = "model",
    as_json: AsJson = False,
) -> None:
    """Tell how calls went, by one dimension and in all."""
    with exiting():
        chosen = _chosen(by)
        rows: dict[str, Sums] = {}
        total = Sums()
        for line in lines_of(file, _Line):
            rows.setdefault(line.of(chosen), Sums()).add(line)
            total.add(line)
        ordered = sorted(rows.items(), key=lambda row: (-row[1].nanos, row[0]))
        if as_json:
            told = [{by: name, **_numbers(sums)} for name, sums in ordered]
            print_json({"rows": told, "total": _numbers(total)})
            return
        _print(by, ordered, total)


def _print(by: str, ordered: list[tuple[str, Sums]], total: Sums) -> None:
    made = table(
        "Calls to models",
        *(by.capitalize(), "Asked", "Cached", "Broken", "Tokens", "USD", "Saved"),
    )
    for column in made.columns[1:]:
        column.justify = "right"
    for name, sums in [*ordered, ("total", total)]:
        made.add_row(
            Text(name),
            f"{sums.attempts:,}",
            f"{sums.cached:,} ({sums.hit_rate:.0%})",
            f"{sums.broken:,}",
            f"{sums.tokens:,}",
            usd(sums.nanos),
            usd(sums.saved),
        )
    console().print(made)
    say("Cost is what was paid; an answer from the cache cost nothing, and saved what it had cost.")


def _numbers(sums: Sums) -> dict[str, object]:
    return {
        "asked": sums.attempts,
        "cached": sums.cached,
        "hit_rate": round(sums.hit_rate, 6),
        "together": sums.batched,
        "broken_off": sums.broken,
        "estimated": sums.estimated,
        "tokens": sums.tokens,
        "cost_usd": str(dollars_of(sums.nanos)),
        "saved_usd": str(dollars_of(sums.saved)),
    }


def _chosen(by: str) -> By:
    names = {one.name.lower(): one for one in By}
    if by not in names:
        raise Misconfigured(f"--by {by[:40]}: write one of {', '.join(names)}")
    return names[by]


if __name__ == "__main__":
    app()
