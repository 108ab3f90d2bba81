# SPDX-License-Identifier: Apache-2.0
"""A table as Markdown writes it."""

from __future__ import annotations

from collections.abc import Sequence

NONE = "-"
"""What stands in a cell without a value."""


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Headings and rows; a bar in a cell is no border."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )
