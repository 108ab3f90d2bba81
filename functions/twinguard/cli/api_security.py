# SPDX-License-Identifier: Apache-2.0
"""`scripts/api_security_monitor.py`: replay, simulate, follow and report the theft of API keys.

What is found is decided in `decide/threats`; files are read in `api_security_files.py`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from twinguard.cli import api_security_files as files
from twinguard.cli.baselines import read, words
from twinguard.cli.exits import exiting
from twinguard.cli.key_ids import id_of
from twinguard.cli.scale_output import table
from twinguard.config import environment_named
from twinguard.decide.customer_keys import parsed
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import Finding, ThreatLevel, reasons_of
from twinguard.errors import Misconfigured
from twinguard.peppers import Peppers

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

COLOURS = {
    ThreatLevel.CRITICAL: "bold red",
    ThreatLevel.HIGH: "red",
    ThreatLevel.MEDIUM: "yellow",
    ThreatLevel.LOW: "cyan",
}


@app.command()
def main(
    *,
    environment: Annotated[str, typer.Option(help="production, staging, development, ci.")] = "",
    replay: Annotated[
        Path | None, typer.Option(help="Events: JSONL, JSONL.gz, - for standard input.")
    ] = None,
    keys: Annotated[Path | None, typer.Option(help="Keys with quotas, JSONL.")] = None,
    geo: Annotated[Path | None, typer.Option(help="CSV: ip,country,network_kind,operator.")] = None,
    baselines: Annotated[
        Path | None, typer.Option(help="Start from what `make baseline` learned.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write findings to this file, JSONL.")] = None,
    api_key: Annotated[
        str, typer.Option(help="Only this key id; - reads a key from standard input.")
    ] = "",
    report: Annotated[bool, typer.Option("--report", help="Print a summary by key.")] = False,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Go on reading what is added to the file.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Run documented attacks on made-up traffic.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of --simulate.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first line that cannot be read.")
    ] = False,
) -> None:
    """Find stolen API keys in recorded or growing logs of requests.

    Examples: --replay events.jsonl.gz --geo geo.csv --output detections.jsonl ·
    --replay events.jsonl --report · --environment production --replay events.jsonl --continuous ·
    --environment development --simulate

    Exit codes: 0 done, 2 wrong usage or a file that cannot be read."""
    with exiting():
        api_key = id_of(api_key, "pass keys by --api-key - on standard input")
        name = environment_named(environment).value if environment else ""
        if simulate:
            _simulate(seed)
            return
        if replay is None:
            raise Misconfigured(
                "name what to read: --replay EVENTS.jsonl, - for standard input, or use --simulate"
            )
        if api_key == "-" and str(replay) == "-":
            raise Misconfigured("--api-key - and --replay - both read standard input; keep one")
        if output is None and not (report or continuous or api_key):
            raise Misconfigured(
                "name where findings go: --output DETECTIONS.jsonl; or --report for a summary"
            )
        only = _only(api_key)
        known = files.keys_of(keys, name)
        learned = read(baselines) if baselines is not None else {}
        watch = Watch(known.values(), files.places_of(geo), baselines=learned)
        source = files.Events(
            replay,
            is_strict=strict,
            is_followed=continuous,
            skipped=frozenset() if not name else files.others(keys, name),
        )
        found = _run(watch, source, output, only, is_live=continuous)
        if report or api_key:
            _report(watch, found, only)
        _tell(watch, source, found, output, only)
        if source.left_out:
            typer.echo(_left_out(source, keys, name), err=True)


def _run(
    watch: Watch, source: files.Events, output: Path | None, only: str, *, is_live: bool
) -> list[Finding]:
    found: list[Finding] = []
    console = Console(stderr=True)
    with source.watched(console) as uses, files.writing(output) as write:
        try:
            for use in uses:
                if only and use.key_id != only:
                    continue
                for finding in watch.observe(use):
                    write(finding)
                    if is_live:
                        _say(console, finding)
                    else:
                        found.append(finding)
        except KeyboardInterrupt:
            if not is_live:
                raise
    return found


def _only(api_key: str) -> str:
    """The key id that is meant; a raw key is read from standard input only and let go at once."""
    if api_key != "-":
        return api_key
    raw = sys.stdin.readline().strip()
    key = parsed(raw)  # it only picks lines: nobody has to prove that it is theirs
    return Peppers.read(files.environ()).key_id(raw) if key is None else key.id


def _say(console: Console, finding: Finding) -> None:
    level = finding.threat_level
    console.print(
        f"{finding.timestamp:%Y-%m-%d %H:%M:%S} {level:8} {finding.key_id} {finding.detector}",
        style=COLOURS[level],
        markup=False,
    )


def _report(watch: Watch, found: list[Finding], only: str) -> None:
    made = table("", "Key", "Level", "Findings", "First", "Strongest reasons")
    by_key: dict[str, list[Finding]] = {}
    for finding in found:
        by_key.setdefault(finding.key_id, []).append(finding)
    worst = {key: max(of, key=lambda f: f.threat_level.rank) for key, of in by_key.items()}
    for key in sorted(worst, key=lambda key: (-worst[key].threat_level.rank, key)):
        finding = worst[key]
        made.add_row(
            key,
            finding.threat_level,
            str(len(by_key[key])),
            f"{by_key[key][0].timestamp:%Y-%m-%d %H:%M:%S}",
            ", ".join(name for name, _ in reasons_of(finding.evidence)[:3]),
            style=COLOURS[finding.threat_level],
        )
    console = Console()
    if found:
        console.print(made)
    if only and (baseline := watch.baseline(only)) is not None:
        console.print_json(
            data={name: value for name, value in words(baseline).items() if name != "learned"}
        )


def _tell(
    watch: Watch, source: files.Events, found: list[Finding], output: Path | None, only: str
) -> None:
    levels = Counter(finding.threat_level for finding in found)
    counted = ", ".join(f"{levels[level]} {level}" for level in reversed(ThreatLevel))
    where = f" in {output}" if output else ""
    typer.echo(f"{source.read:,} events, {len(found)} findings{where}: {counted}", err=True)
    if only and watch.baseline(only) is None:
        typer.echo(f"no event of key {only}; --report without --api-key lists keys", err=True)
    if source.unreadable:
        typer.echo(f"{source.unreadable} lines could not be read; first: {source.first}", err=True)
    if watch.late:
        typer.echo(
            f"{watch.late} events were older than their key's newest and changed nothing", err=True
        )


def _left_out(source: files.Events, keys: Path | None, environment: str) -> str:
    if source.left_out < source.read:
        return f"{source.left_out:,} events of other environments were left out"
    return (
        f"all {source.read:,} events were left out: {keys} says that none is of {environment}; "
        "name another --environment, or leave it out"
    )


def _simulate(seed: int) -> None:
    """Documented attacks on made-up traffic: found, level, time to HIGH, requests served."""
    from twinguard.cli.evaluate_detection import simulated

    simulated(seed)


if __name__ == "__main__":
    app()
