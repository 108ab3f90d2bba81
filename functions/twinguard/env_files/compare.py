# SPDX-License-Identifier: Apache-2.0
"""What is different between an environment file and the policy it comes from. Pure.

Both values are told where neither is a secret; of a secret only that it differs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from twinguard.env_files.text import Line, is_reference
from twinguard.env_files.values import Value
from twinguard.secret_text import SecretText

__all__ = ["Difference", "differences", "of_names"]


class Difference(Struct, frozen=True):
    """One thing that is not as the policy says; without a name it is about the whole file."""

    name: str
    what: str
    expected: str | None = None
    found: str | None = None


def differences(
    expected: Sequence[Value], found: Sequence[Line], secrets: Mapping[str, SecretText]
) -> tuple[Difference, ...]:
    """Every difference; `secrets` has the values that secrets are to have, where they are known."""
    lines = {line.name: line for line in found}
    parts = [*of_names([value.name for value in expected], [line.name for line in found])]
    for value in expected:
        if value.name in lines:
            parts += _of_value(value, lines[value.name].value, secrets)
    return tuple(parts)


def of_names(expected: Sequence[str], found: Sequence[str]) -> Iterator[Difference]:
    """Variables that are missing, too many, or in another place than the policy puts them."""
    for name in expected:
        if name not in found:
            yield Difference(name, "missing")
    for name in found:
        if name not in expected:
            close = difflib.get_close_matches(name, expected, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield Difference(name, f"not in the policy{hint}")
    ours = [name for name in expected if name in found]
    theirs = [name for name in found if name in expected]
    in_place = set()
    for block in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        in_place |= set(ours[block.a : block.a + block.size])
    for before, name in zip(["", *ours], ours, strict=False):
        if name not in in_place:
            where = f"after {before}" if before else "at the top"
            yield Difference(name, f"out of order; it belongs {where}")


def _of_value(value: Value, text: str, secrets: Mapping[str, SecretText]) -> Iterator[Difference]:
    if not value.is_secret:
        if text != value.text:
            yield Difference(value.name, "different", value.text, text)
        return
    if not text:
        yield Difference(value.name, "empty")
    elif value.reference is None:
        if SecretText(text) != SecretText(value.text):
            yield Difference(value.name, f"different from the policy's {value.at}")
    elif is_reference(text):
        if text != value.text:
            yield Difference(value.name, "another secret than", value.text, text)
    elif value.name in secrets and secrets[value.name] != SecretText(text):
        yield Difference(value.name, f"different from secret {value.reference.secret}")
