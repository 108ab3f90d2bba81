# SPDX-License-Identifier: Apache-2.0
"""The text of an environment file: only what bash, python-dotenv and Docker read alike.

A value that needs quotes is refused, as Docker keeps the quotes; no refusal shows a value."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from twinguard.errors import Misconfigured

__all__ = ["ALLOWED", "Line", "is_plain", "is_reference", "parse", "render"]

ALLOWED = "letters, digits and _ - . , : / @ % + = ? * ^ ! # { } [ ]"
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=?*^!#{}\[\]-]+")
_REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
LONGEST = 64 * 1024


class Line(Struct, frozen=True):
    """A variable in a file, and where it stands."""

    number: int
    name: str
    value: str


def is_plain(value: str) -> bool:
    """True for a value that every reader takes as it stands."""
    return _PLAIN.fullmatch(value) is not None


def is_reference(value: str) -> str:
    """The name in `${NAME}`, or nothing for any other value."""
    found = _REFERENCE.fullmatch(value)
    return found[1] if found else ""


def render(sections: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> str:
    """The file's text: a comment, its variables, an empty line, and so on."""
    parts = []
    for comment, pairs in sections:
        lines = [f"# {comment}"]
        for name, value in pairs:
            if not (is_plain(value) or is_reference(value)):
                raise Misconfigured(
                    f"{name}: its value is empty or holds a character that bash, python-dotenv and "
                    f"Docker read differently; make it of {ALLOWED}"
                )
            lines.append(f"{name}={value}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def parse(data: bytes, source: str) -> tuple[Line, ...]:
    """The variables in a file, in order; a line that is none is refused by its number."""
    if len(data) > LONGEST:
        raise Misconfigured(f"{source}: larger than {LONGEST // 1024} kB; write it anew: make env")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Misconfigured(f"{source}: not UTF-8; write it anew: make env") from None
    found: dict[str, Line] = {}
    for number, raw in enumerate(text.split("\n"), 1):
        if not raw.strip() or raw.startswith("#"):
            continue
        parts = _LINE.fullmatch(raw)
        if parts is None:
            raise Misconfigured(
                f"{source}: line {number} is no NAME=value, comment or empty line; correct it"
            )
        name, value = parts.groups()
        if name in found:
            raise Misconfigured(
                f"{source}: {name} stands twice, in lines {found[name].number} and {number}; "
                "keep one"
            )
        if value and not (is_plain(value) or is_reference(value)):
            raise Misconfigured(
                f"{source}: {name} in line {number} holds a character that bash, python-dotenv and "
                f"Docker read differently; make its value of {ALLOWED}"
            )
        found[name] = Line(number, name, value)
    return tuple(found.values())
