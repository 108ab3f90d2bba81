# SPDX-License-Identifier: Apache-2.0
"""`make baseline`: learn what is usual for keys from whole logs, show it, reset it.

A file of baselines is JSON lines by key id; the monitor's `--baselines` starts from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from rich.console import Console

from twinguard.cli.api_security_files import places_of
from twinguard.cli.exits import exiting
from twinguard.cli.key_ids import id_of
from twinguard.decide.threats.baseline import VERSION, Baseline, encoded
from twinguard.decide.threats.bulk import learned, poisoned
from twinguard.decide.threats.values import Finding
from twinguard.errors import Misconfigured

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
File = Annotated[Path, typer.Option(help="The file of baselines.")]
KeyId = Annotated[str, typer.Option(help="A key id.")]
STANDARD = Path("baselines.jsonl")


class Line(Struct, frozen=True):
    """One key of a file of baselines."""

    key_id: str
    baseline: Baseline


@app.command()
def learn(
    events: Annotated[list[Path] | None, typer.Argument(help="Logs: JSONL or JSONL.gz.")] = None,
    *,
    table: Annotated[str, typer.Option(help="In BigQuery: PROJECT.DATASET.TABLE.")] = "",
    geo: Annotated[Path | None, typer.Option(help="CSV: ip,country,network_kind,operator.")] = None,
    findings: Annotated[
        Path | None, typer.Option(help="Findings of the same time: their hours teach nothing.")
    ] = None,
    file: File = STANDARD,
) -> None:
    """Learn from logs, by DuckDB from files or by the same SQL in BigQuery.

    Exit codes: 0 done, also where lines could not be read: they are counted, and the first one is
    named; 2 wrong usage, a file that cannot be read, or nothing in it that can."""
    from twinguard.billing.usage_hours import UsageFiles, UsageTable

    with exiting():
        if bool(events) == bool(table):
            raise Misconfigured("name files of events, or --table PROJECT.DATASET.TABLE")
        source = UsageTable(table) if table else UsageFiles(events or [])
        refused = poisoned(_found(findings))
        known = learned(source.hours(), places_of(geo), refused)
        if source.unreadable:
            typer.echo(f"{source.unreadable:,} lines are no event; first: {source.first}", err=True)
        if source.unreadable and not known:
            raise Misconfigured(f"no line is an event; {file} is left as it was")
        write(file, known)
        largest = max((len(encoded(one)) for one in known.values()), default=0)
        typer.echo(
            f"{len(known):,} baselines in {file}, the largest {largest:,} bytes; "
            f"{len(refused)} keys with hours that were refused",
            err=True,
        )


@app.command()
def show(key: KeyId, file: File = STANDARD) -> None:
    """Print what is usual for a key, in strategy.md's words, and all that was learned."""
    with exiting():
        Console().print_json(data=words(_of(read(file), key, file)))


@app.command()
def reset(key: KeyId, file: File = STANDARD) -> None:
    """Forget a key's baseline: it is learned anew."""
    with exiting():
        known = read(file)
        _of(known, key, file)
        write(file, {name: one for name, one in known.items() if name != key})
        typer.echo(f"{key} is learned anew from its next use on", err=True)


def words(baseline: Baseline) -> dict[str, object]:
    """strategy.md 12.4's fields, and more."""
    return {
        "avg_requests_per_hour": round(baseline.avg_requests_per_hour, 1),
        "typical_hours": baseline.typical_hours,
        "typical_countries": baseline.typical_countries,
        "typical_ips": baseline.typical_ips[:10],
        "max_concurrent_ips": baseline.max_concurrent_ips,
        "learned": msgspec.to_builtins(baseline),
    }


def read(path: Path) -> dict[str, Baseline]:
    """A file's baselines; those of another version are left out and learned anew."""
    known = {}
    for number, line in _lines(path):
        try:
            found = msgspec.json.decode(line, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as err:
            raise Misconfigured(f"{path}, line {number}: {err}") from err
        if found.baseline.version == VERSION:
            known[found.key_id] = found.baseline
    return known


def write(path: Path, known: Mapping[str, Baseline]) -> None:
    """Write all baselines, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as stream:
            for key_id in sorted(known):
                stream.write(msgspec.json.encode(Line(key_id, known[key_id])) + b"\n")
        part.replace(path)
    except OSError as err:
        raise Misconfigured(f"{path} cannot be written: {err.strerror}") from err


def _found(path: Path | None) -> Iterator[Finding]:
    for number, line in _lines(path):
        try:
            yield msgspec.json.decode(line, type=Finding)
        except (msgspec.MsgspecError, UnicodeDecodeError) as err:
            raise Misconfigured(f"{path}, line {number}: {err}") from err


def _lines(path: Path | None) -> Iterator[tuple[int, bytes]]:
    if path is None:
        return
    try:
        with path.open("rb") as stream:
            yield from ((n, line) for n, line in enumerate(stream, 1) if line.strip())
    except OSError as err:
        raise Misconfigured(f"{path} cannot be read: {err.strerror}") from err


def _of(known: Mapping[str, Baseline], key: str, path: Path) -> Baseline:
    if id_of(key) not in known:
        raise Misconfigured(f"{path} has no baseline of {key}; it has {len(known)} others")
    return known[key]


if __name__ == "__main__":
    app()
