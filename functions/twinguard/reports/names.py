# SPDX-License-Identifier: Apache-2.0
"""Show names that others chose (tenants, features, labels): on one line, visible, not mistakable.

Pure. Escaping for Markdown or HTML is the renderers'; this is about what a person reads."""

from __future__ import annotations

import hashlib

from twinguard.decide.spend import UNATTRIBUTED

LONGEST = 64
_TAIL = 16
_DIGEST = 8

REST = "all others"
ROUNDING = "rounding of the rows above"
TOTAL = "total"
UNTOLD = "not told apart"

_OURS = frozenset([UNATTRIBUTED, REST, ROUNDING, TOTAL, UNTOLD, "(empty)", "rounding"])


def named(name: str | None) -> str:
    """A label's value for people; `unattributed` where there is none.

    A label that reads like one of our own rows is put in quotation marks."""
    if name is None:
        return UNATTRIBUTED
    text = one_line(name)
    if not text:
        return "(empty)"
    if text.casefold() in _OURS or text.casefold().startswith(f"{REST} ("):
        return f"“{text}”"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - _TAIL - 1]}…{text[-_TAIL:]}"


def one_line(text: str) -> str:
    """The text on one line. What would be invisible, or turn the text around, is spelled out."""
    return " ".join("".join(map(_visible, text)).split())


def slug(text: str) -> str:
    """A text as part of a file's name: lower case ASCII letters, digits and hyphens."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(part for part in kept.split("-") if part)[:LONGEST] or "unnamed"


def distinct_slug(text: str) -> str:
    """As `slug`, and never the same for two texts: ACME's file must not replace acme's."""
    found = slug(text)
    if found == text:
        return found
    told = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_DIGEST]
    return f"{found[: LONGEST - _DIGEST - 1].rstrip('-')}-{told}"


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else char.encode("unicode_escape").decode()
