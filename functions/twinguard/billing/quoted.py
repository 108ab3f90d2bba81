# SPDX-License-Identifier: Apache-2.0
"""Texts and paths of others as SQL may hold them: nothing in them is more than text."""

from __future__ import annotations


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def escaped(path: str) -> str:
    """A path in which no character is a pattern."""
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in path)
