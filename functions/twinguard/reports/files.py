# SPDX-License-Identifier: Apache-2.0
"""Write a document to files: Markdown, HTML, charts as PNG, and a PDF where a Chromium prints it.

Without a Chromium there is no PDF; it is said, and the page and the charts are there."""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from twinguard.errors import Misconfigured, Unavailable
from twinguard.reports import charts, html, markdown
from twinguard.reports.document import Document

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 60.0
"""Seconds a browser may take to print."""


class Form(enum.StrEnum):
    """What a report can be written as."""

    MARKDOWN = "md"
    HTML = "html"
    PNG = "png"
    PDF = "pdf"


class Written(Struct, frozen=True):
    """The files that are there now, and what was left out and why."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def write(
    document: Document, folder: Path, forms: Iterable[Form], browser: str | None = None
) -> Written:
    """Write the document into a folder in these forms, named after the document.

    `browser` prints the PDF; without one the first Chromium on the path does."""
    wanted = set(forms)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _written(document, folder, wanted, browser or found_browser())
    except OSError as err:
        raise Misconfigured(
            f"{folder}: the report cannot be written there ({err.strerror}); name another folder"
        ) from err


def found_browser() -> str | None:
    """The first Chromium on the path."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _written(document: Document, folder: Path, wanted: set[Form], browser: str | None) -> Written:
    notes = []
    if Form.PDF in wanted and browser is None:
        wanted |= {Form.HTML, Form.PNG}
        notes.append(
            "no PDF: no Chromium was found. The page and its charts were written instead; "
            "install chromium, or print the page from a browser"
        )
    paths: list[Path] = []
    images: dict[str, str] = {}
    if Form.PNG in wanted:
        for figure in document.figures:
            name = f"{document.name}-{figure.name}.png"
            paths.append(_put(folder / name, charts.png(figure)))
            images[figure.name] = name
    if Form.MARKDOWN in wanted:
        text = markdown.render(document, images)
        paths.append(_put(folder / f"{document.name}.md", text.encode()))
    if wanted & {Form.HTML, Form.PDF}:
        page = html.page(document).encode()
        if Form.HTML in wanted:
            paths.append(_put(folder / f"{document.name}.html", page))
        if Form.PDF in wanted and browser is not None:
            paths.append(_put(folder / f"{document.name}.pdf", printed(page, browser)))
    return Written(tuple(paths), tuple(notes))


def printed(page: bytes, browser: str) -> bytes:
    """The page as a PDF, printed by a headless Chromium that may load nothing else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, target = folder / "page.html", folder / "page.pdf"
        source.write_bytes(page)
        command = [
            *(browser, "--headless", "--disable-gpu", "--no-first-run"),
            *("--disable-extensions", "--disable-background-networking"),
            *("--disable-breakpad", "--disable-crash-reporter"),
            # Root has no sandbox; the page runs no scripts and loads nothing.
            *(("--no-sandbox",) if os.geteuid() == 0 else ()),
            *(f"--user-data-dir={folder / 'profile'}", "--no-pdf-header-footer"),
            *(f"--print-to-pdf={target}", source.as_uri()),
        ]
        try:
            _run(command)
            return target.read_bytes()
        except (OSError, subprocess.SubprocessError) as err:
            raise Unavailable(
                f"{browser} did not print the page ({type(err).__name__}); "
                "open the HTML page in a browser and print it there"
            ) from err


def _run(command: list[str]) -> None:
    """Run a browser to its end, and end whatever it started."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 - the browser that was named or found
        command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    ) as running:
        try:
            running.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def _put(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all: a report that is read meanwhile is never half."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    return path
