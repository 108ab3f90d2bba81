# SPDX-License-Identifier: Apache-2.0
"""`Costs` over export files: Google's (JSON lines, CSV, Parquet) and FOCUS of any provider.

Text is read once, into a table; Parquet is read where it lies, by each question. `sniff.py` tells
the files apart, `staged.py` types their columns. A file is read whole or refused."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from msgspec.structs import replace

from twinguard.billing import amounts, queries, sniff, staged
from twinguard.billing.columns import Columns, raw
from twinguard.billing.dialect import translated
from twinguard.billing.faults import TooFine, refused
from twinguard.billing.quoted import escaped, literal
from twinguard.decide.spend import PACIFIC_TIME, UTC, Freshness, Line, Query
from twinguard.errors import Misconfigured

Progress = Callable[[str, float], None]
"""Hears which file is being read and how much of all files is done, from 0 to 1."""

_BIG = 64 << 20
_MONEY = ("cost", "credits", "net")
_SQL = {sniff.Shape.GOOGLE: "costs.sql", sniff.Shape.FOCUS: "focus.sql"}


class ExportFiles:
    """The costs in files. Close it, or use it as a context manager.

    Money is exact: of Google's exports with nine digits as in BigQuery, of FOCUS with all it has.
    Big files of text go to a temporary database on disk; `memory` bounds what DuckDB holds."""

    def __init__(
        self,
        *places: str | os.PathLike[str],
        progress: Progress | None = None,
        memory: str = "800MB",
    ) -> None:
        self._paths = sniff.files(places)
        self._progress = progress
        self._folder = tempfile.mkdtemp(prefix="twinguard-costs-")
        self._clean = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._db = _connected(self._folder, sum(map(_size, self._paths)) > _BIG, memory)
        self._parts: dict[str, int] = {}
        self._calendars: set[str] = set()
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything that was read."""
        self._db.close()
        self._clean()

    def lines(self, query: Query) -> tuple[Line, ...]:
        """The costs of each group; amounts to the last digit."""
        return queries.lines(self._answers(queries.sums(query, self._source)), query)

    def freshness(self, now: dt.datetime) -> Freshness:  # noqa: ARG002 - the port's
        """How far the files reach.

        FOCUS files of most providers do not say when they were written: then a day is complete
        once a later one is in them."""
        ((newest, last, until),) = self._answers(queries.freshness(self._source))
        found = queries.fresh(self.name, queries.moment(newest), queries.day(last))
        end, day = queries.moment(until), found.through or queries.day(last)
        if newest is None and day is not None and (end is None or end.date() <= day):
            day -= dt.timedelta(days=1)
        # Nothing is known of how late the rows of other providers are.
        lag = found.lag if PACIFIC_TIME in self._calendars or newest is not None else None
        calendar = " or ".join(sorted(self._calendars)) or PACIFIC_TIME
        return replace(found, through=day, lag=lag, calendar=calendar)

    @property
    def name(self) -> str:
        """What people are told the numbers come from."""
        more = f" and {len(self._paths) - 1} more" if len(self._paths) > 1 else ""
        return f"{self._paths[0]}{more}"

    @property
    def _source(self) -> str:
        most = max(self._parts.values())
        parts = {f"SELECT * FROM {part}": places for part, places in self._parts.items()}  # noqa: S608 - names of ours
        return " UNION ALL ".join(
            select if places == most else _widened(select, most) for select, places in parts.items()
        )

    def _answers(self, statement: queries.Statement) -> list[tuple[Any, ...]]:
        values = {each.name: each.value for each in statement.parameters}
        with refused(self._paths):
            found: list[tuple[Any, ...]] = self._db.execute(
                translated(statement.sql), values or None
            ).fetchall()
        return found

    def _read(self) -> None:
        parquet = [path for path in self._paths if sniff.is_parquet(path)]
        text = [path for path in self._paths if path not in set(parquet)]
        self._view_parquet(parquet)
        sources = [sniff.text_source(path) for path in text]
        try:
            self._load_all(sources)
        except TooFine:
            self._db.execute("DROP TABLE IF EXISTS loaded")
            raws = (
                raw(each, self._unmarked(each))
                for each in sources
                if each.shape is sniff.Shape.FOCUS
            )
            self._load_all(sources, max(self._places(*each) for each in raws))
        if self._progress:
            self._progress(self._paths[-1], 1.0)

    def _load_all(self, sources: list[sniff.Source], places: int | None = None) -> None:
        """All rows of text files in one table; TooFine where an amount has more digits."""
        shapes = {source.shape for source in sources}
        kept = places or amounts.USUAL if sniff.Shape.FOCUS in shapes else amounts.GOOGLES
        total, done = sum(_size(source.path) for source in sources) or 1, 0
        for number, source in enumerate(sources):
            size = _size(source.path)
            with self._watched(source.path, done / total, size / total):
                self._load(source, places, kept, is_first=not number)
            done += size
        if sources:
            self._parts["loaded"] = kept

    def _places(self, select: str, columns: Columns) -> int:
        """The digits after the point that a FOCUS file's amounts need."""
        given = "x_Credits" if "x_credits" in columns else ""
        with refused(self._paths):
            found = self._db.execute(amounts.needed(select, "BilledCost", given)).fetchall()
        most, before = found[0][0] or 0, found[0][1] or 1
        places = amounts.fitting(most, before)
        if places is None:
            raise Misconfigured(
                f"{self.name}: amounts have up to {most} digits after the point and their sum "
                f"{before} before it, {amounts.DIGITS} in all are exact; export them with fewer "
                "digits, nothing of it was counted"
            )
        return places

    def _view_parquet(self, paths: Iterable[str]) -> None:
        """One view for the files of the same columns."""
        described = sorted((self._described(path), path) for path in paths)
        for number, (columns, group) in enumerate(groupby(described, key=lambda each: each[0])):
            same = [path for _, path in group]
            names = ", ".join(literal(escaped(path)) for path in same)
            with refused(same):
                shape = sniff.shape_of(same[0], (name for name, _ in columns))
                lower = {name.lower(): kind for name, kind in columns}
                told = same[0] if len(same) == 1 else f"{same[0]} or one like it"
                select = f"SELECT * FROM read_parquet([{names}])"  # noqa: S608 - quoted
                is_focus = shape is sniff.Shape.FOCUS
                places = self._places(select, lower) if is_focus else amounts.GOOGLES
                view = staged.typed(shape, select, lower, told, places)
                self._stage(view, f"parquet{number}_in", shape)
                sql = _normalised(shape, f"parquet{number}_in")
                self._db.execute(f"CREATE VIEW parquet{number} AS {sql}")
                self._db.execute(f"SELECT * FROM parquet{number} LIMIT 0")  # noqa: S608
            self._parts[f"parquet{number}"] = places

    def _described(self, path: str) -> tuple[tuple[str, str], ...]:
        name = literal(escaped(path))
        with refused((path,)):
            found = self._db.execute(f"DESCRIBE SELECT * FROM read_parquet({name})")  # noqa: S608
            return tuple((row[0], row[1]) for row in found.fetchall())

    def _load(self, source: sniff.Source, places: int | None, kept: int, *, is_first: bool) -> None:
        with refused((source.path,), source):
            select, columns = raw(source, self._unmarked(source))
            self._stage(
                staged.typed(source.shape, select, columns, source.path, places),
                "staged",
                source.shape,
            )
            sql = _widened(_normalised(source.shape, "staged"), kept)
            how = "CREATE TABLE loaded AS" if is_first else "INSERT INTO loaded"
            self._db.execute(f"{how} {sql}")

    def _unmarked(self, source: sniff.Source) -> str | None:
        """Where JSON lines are that began with a byte order mark: DuckDB wants none."""
        if source.format is not sniff.Format.JSON or not source.is_marked:
            return None
        copy = Path(self._folder, "unmarked.jsonl")
        with sniff.opened(source.path, source.is_gzipped) as file, copy.open("w") as target:
            shutil.copyfileobj(file, target)
        return str(copy)

    def _stage(self, select: str, name: str, shape: sniff.Shape) -> None:
        """A view, and by its first row whose days its days are: Google's are Pacific."""
        self._db.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
        first = [(True,)]
        if shape is sniff.Shape.FOCUS:
            first = self._db.execute(f"SELECT is_google FROM {name} LIMIT 1").fetchall()  # noqa: S608
        self._calendars |= {PACIFIC_TIME if is_googles else UTC for (is_googles,) in first}

    @contextmanager
    def _watched(self, path: str, done: float, share: float) -> Iterator[None]:
        """Tell of progress, several times a second, from a thread beside."""
        if self._progress is None:
            yield
            return
        tell, ended = self._progress, threading.Event()

        def watch() -> None:
            while not ended.wait(0.1):
                tell(path, done + share * max(0.0, self._db.query_progress()) / 100)

        tell(path, done)
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _connected(folder: str, is_big: bool, memory: str) -> Any:  # noqa: ANN401 - DuckDB's own
    try:
        import duckdb
    except ImportError as err:
        raise Misconfigured(
            "reading export files needs duckdb and sqlglot; install requirements-cli.txt"
        ) from err
    db = duckdb.connect(str(Path(folder, "costs.db")) if is_big else ":memory:")
    for setting in (
        "TimeZone = 'UTC'",
        f"temp_directory = {literal(folder)}",
        f"memory_limit = {literal(memory)}",
        "preserve_insertion_order = false",
        "autoinstall_known_extensions = false",
        "enable_progress_bar = true",
        "enable_progress_bar_print = false",
    ):
        db.execute(f"SET {setting}")
    return db


def _normalised(shape: sniff.Shape, name: str) -> str:
    return translated(queries.text(_SQL[shape]).replace("{table}", name))


def _widened(sql: str, places: int) -> str:
    """Rows whose money has so many digits after the point."""
    casts = [f"CAST({name} AS {amounts.decimal(places)}) AS {name}" for name in _MONEY]
    casts.append(f"TRY_CAST(list_cost AS {amounts.decimal(places)}) AS list_cost")
    return f"SELECT * REPLACE ({', '.join(casts)}) FROM ({sql})"  # noqa: S608 - our own text


def _size(path: str) -> int:
    return Path(path).stat().st_size
