# SPDX-License-Identifier: Apache-2.0
"""Build the zip that Cloud Functions gets: main.py, requirements.txt and the package, named by
digest. The same sources give the same bytes on every machine: files are sorted, stored
uncompressed (zlib differs between versions) and carry neither times nor owners."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from twinguard.errors import Misconfigured

REPOSITORY = Path(__file__).resolve().parents[3]
LEFT_OUT = ("cli", "gateway_wiring", "inventory", "standins", "web")
"""Parts of the package that only people, applications and tests need."""

_ROOT_FILES = ("main.py", "requirements.txt")
_SOURCES = ("*.lua", "*.py", "*.sql", "llm/*.json")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644
_DIGITS = 16  # of the digest, in the name


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip as it was written."""

    path: Path
    sha256: str


def members(functions: Path) -> tuple[str, ...]:
    """What goes into the zip, sorted: sources by name, so nothing else can slip in."""
    missing = [name for name in _ROOT_FILES if not (functions / name).is_file()]
    if missing:
        raise Misconfigured(f"{functions}: {', '.join(missing)} missing; name the functions folder")
    package = functions / "twinguard"
    found = (path for kind in _SOURCES for path in package.rglob(kind))
    sources = (path.relative_to(functions) for path in found)
    kept = (path.as_posix() for path in sources if Path(path.parts[1]).stem not in LEFT_OUT)
    return tuple(sorted((*_ROOT_FILES, *kept)))


def packed(functions: Path) -> bytes:
    """The zip's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in members(functions):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _MODE << 16
            archive.writestr(entry, (functions / name).read_bytes())
    return buffer.getvalue()


def build(functions: Path, output: Path) -> Bundle:
    """Write the zip into a folder and remove the older ones there."""
    content = packed(functions)
    digest = hashlib.sha256(content).hexdigest()
    path = output / f"twinguard-{digest[:_DIGITS]}.zip"
    output.mkdir(parents=True, exist_ok=True)
    draft = output / f".{path.name}.{os.getpid()}"
    draft.write_bytes(content)
    draft.replace(path)
    for old in output.glob("twinguard-*.zip"):
        if old != path:
            old.unlink(missing_ok=True)
    return Bundle(path, digest)


def main(
    *,
    output: Annotated[Path, typer.Option(help="Folder the zip is written to.")] = REPOSITORY
    / ".cache"
    / "bundle",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Build the zip of the functions; the same sources give the same bytes."""
    bundle = build(REPOSITORY / "functions", output)
    if as_json:
        typer.echo(json.dumps({"path": str(bundle.path), "sha256": bundle.sha256}))
    else:
        typer.echo(f"{bundle.path}\nsha256 {bundle.sha256}")


if __name__ == "__main__":
    typer.run(main)
