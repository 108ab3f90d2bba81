# SPDX-License-Identifier: Apache-2.0
"""Measure how many uses a second one core decides on: known ones, mixed traffic, and from a file.

Measures and never asserts."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parent))

from paired import spread
from rich.console import Console

from twinguard.cli.api_security_files import Events
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import NetworkKind, Place, Use
from twinguard.standins.traffic import traffic

ROUNDS, USES = 5, 200_000


def mixed() -> tuple[list[Use], dict[str, Place]]:
    """Uses of all shapes and attacks, and where they come from."""
    made = traffic(11, days=14)
    uses = [
        Use(dt.datetime.fromtimestamp(e.at, dt.UTC), e.key, e.ip, e.agent, e.path, e.status)
        for e in itertools.islice(made.events, USES)
    ]
    places = {ip: Place(g[0], NetworkKind(g[1]), g[2]) for ip, g in made.world.geo.items()}
    return uses, places


def rate(uses: list[Use], places: dict[str, Place]) -> float:
    """Uses a second."""
    watch = Watch(place_of=places.get)
    started = time.perf_counter()
    for use in uses:
        watch.observe(use)
    return len(uses) / (time.perf_counter() - started)


def from_file(path: Path, places: dict[str, Place]) -> float:
    """Uses a second, with reading and checking each line."""
    watch, events = Watch(place_of=places.get), Events(path)
    started = time.perf_counter()
    with events.watched(Console(file=sys.stderr, force_terminal=False)) as uses:
        for use in uses:
            watch.observe(use)
    return events.read / (time.perf_counter() - started)


def main() -> None:
    uses, places = mixed()
    begin = uses[0].at
    known = [
        Use(begin + dt.timedelta(seconds=n), f"key-{n % 50}", "10.0.0.1", "a/1", "/v1/chat")
        for n in range(USES)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("w") as stream:
            for use in uses:
                row = {"timestamp": use.at.isoformat(), "key_id": use.key_id, "ip": use.ip}
                row |= {"user_agent": use.user_agent, "path": use.path, "status": use.status}
                stream.write(json.dumps(row) + "\n")
        for name, work in (
            ("known uses", lambda: rate(known, {})),
            ("mixed traffic", lambda: rate(uses, places)),
            ("mixed, from a file", lambda: from_file(path, places)),
        ):
            found = spread([work() for _ in range(ROUNDS)])
            sys.stdout.write(
                f"{name:20} {found.median:10,.0f} a second"
                f" ({found.lower:,.0f} to {found.upper:,.0f})\n"
            )


if __name__ == "__main__":
    main()
