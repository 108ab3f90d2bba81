# SPDX-License-Identifier: Apache-2.0
"""`make evaluate-detection`: detection and strategy.md's literal rules on made-up traffic.

Judging is in `detection_score.py`, the traffic in `standins/traffic.py`."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group
from rich.progress import track
from rich.table import Table

from twinguard.cli.detection_score import LINES, Score, Sums, scored
from twinguard.cli.scale_output import table
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import NetworkKind, Place, Use
from twinguard.standins.literal_rules import LiteralRules
from twinguard.standins.second_traffic import second_traffic
from twinguard.standins.third_traffic import third_traffic
from twinguard.standins.traffic import traffic

DEV_SEEDS = "601-604"
HELD_BACK = "901-904"
"""Nothing was tuned on these."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Told = tuple[float, str, int]
"""When, which key, which level's rank."""


AUTHORS = {
    "first author": traffic,
    "second author": second_traffic,
    "third author": third_traffic,
}
"""Generators that share no habits: see `standins`."""


def run(author: str, seed: int, days: int, keys: int, rounds: int) -> tuple[Score, Score]:
    """What detection and what the literal rules find in one seed of an author's traffic."""
    made = AUTHORS[author](seed, days, keys, rounds=rounds)
    geo = made.world.geo

    def place_of(ip: str) -> Place | None:
        found = geo.get(ip)
        return Place(found[0], NetworkKind(found[1]), found[2]) if found else None

    watch = Watch(made.facts, place_of)
    countries: dict[str, str] = {}
    literal = LiteralRules(countries)
    ours: list[Told] = []
    theirs: list[Told] = []
    benign, active = 0, set()
    last: dict[tuple[str, int], float] = {}
    for event in made.events:
        at = dt.datetime.fromtimestamp(event.at, dt.UTC)
        use = Use(at, event.key, event.ip, event.agent, event.path, event.status)
        ours += [(event.at, event.key, f.threat_level.rank) for f in watch.observe(use)]
        if event.ip in geo:
            countries.setdefault(event.ip, geo[event.ip][0])
        for _, level in literal.observe(use):
            # What is said again within the hour is one finding.
            if event.at - last.get((event.key, level.rank), 0.0) > 3600:  # noqa: PLR2004
                last[event.key, level.rank] = event.at
                theirs.append((event.at, event.key, level.rank))
        benign += not event.attack
        active.add((event.key, int(event.at // 86400)))
    return (
        scored(made.thefts, ours, benign, len(active), seed, made.keys),
        scored(made.thefts, theirs, benign, len(active), seed, made.keys),
    )


@app.command()
def main(
    *,
    seeds: Annotated[str, typer.Option(help="As 1-6 or 3,5; these were tuned on.")] = DEV_SEEDS,
    held_back: Annotated[str, typer.Option(help="Nothing was tuned on these.")] = HELD_BACK,
    days: Annotated[int, typer.Option(min=5)] = 21,
    keys: Annotated[int, typer.Option(min=18)] = 72,
    rounds: Annotated[int, typer.Option(min=1, help="Each attack so many times a seed.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    misses: Annotated[bool, typer.Option(help="List what was missed and what was wrong.")] = False,
) -> None:
    """Print how many thefts are found, how fast, and how many findings are wrong."""
    found: dict[str, Sums] = {}
    wrong: list[str] = []
    groups = {"seeds": _numbers(seeds), "held back": _numbers(held_back)}
    jobs = [
        (f"{author}, {name}", author, seed)
        for author in AUTHORS
        for name, group in groups.items()
        for seed in group
    ]
    with ProcessPoolExecutor(2) as pool:
        work = zip(*((author, s, days, keys, rounds) for _, author, s in jobs), strict=True)
        results = pool.map(run, *work)
        watched = track(
            zip(jobs, results, strict=True),
            "evaluating",
            len(jobs),
            console=Console(stderr=True),
            transient=True,
        )
        for (name, _, _), (ours, theirs) in watched:
            found.setdefault(f"detection, {name}", Sums()).add(ours)
            found.setdefault(f"literal rules, {name}", Sums()).add(theirs)
            wrong += [f"{name}: {line}" for line in ours.notes]
    if as_json:
        typer.echo(msgspec.json.encode({name: sums.figures() for name, sums in found.items()}))
        return
    console = Console()
    for name, sums in found.items():
        if name.startswith("detection"):
            console.print(_table(name, sums))
    for author in AUTHORS:
        console.print(_compared(author, found))
    if misses:
        console.print(*wrong, sep="\n", markup=False)


def simulated(seed: int) -> None:
    """Documented attacks on one seed's traffic, as a table."""
    ours, _ = run("first author", seed, 14, 54, 1)
    sums = Sums()
    sums.add(ours)
    Console().print(_table(f"simulated traffic, seed {seed}", sums))


def _table(name: str, sums: Sums) -> Group:
    """What was found of the thefts, and below it what was wrong."""
    found, wrong = table(name, "Scenario"), table("", "On benign traffic", "")
    for column in ("Thefts", "≥ MEDIUM", "≥ HIGH", "Time to HIGH", "Served"):
        found.add_column(column, justify="right")
    for row in sums.rows():
        found.add_row(*row)
    for line, *numbers in sums.false_rows():
        wrong.add_row(line, ", ".join(numbers))
    return Group(found, wrong)


def _compared(author: str, found: dict[str, Sums]) -> Table:
    """Detection and strategy.md's literal rules, line by line."""
    made = table(f"{author}, compared")
    names = sorted(name for name in found if f", {author}, " in name)
    for column in ("", *(name.replace(f", {author}, ", "\n") for name in names)):
        made.add_column(column, justify="right" if column else "left")
    for row in zip(LINES, *(found[name].summary() for name in names), strict=True):
        made.add_row(*row)
    return made


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    app()
