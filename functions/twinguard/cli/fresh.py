# SPDX-License-Identifier: Apache-2.0
"""Keep what is written from the code in step with it: rewrite files, or name those that are not.

The texts come from `reference.py` and `terraform_docs.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer


def kept_fresh(texts: Mapping[Path, str], below: Path, stale: str, *, write: bool) -> None:
    """Make files say their texts, or end with 1 where one does not; `stale` says so of a file."""
    differing = {
        path: text for path, text in texts.items() if text != path.read_text(encoding="utf-8")
    }
    for path, text in differing.items():
        name = path.relative_to(below)
        if write:
            path.write_text(text, encoding="utf-8")
            typer.echo(f"written: {name}")
        else:
            typer.echo(f"{name} {stale}", err=True)
    if differing and not write:
        raise typer.Exit(1)
