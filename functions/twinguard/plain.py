# SPDX-License-Identifier: Apache-2.0
"""Text into plain values: only the YAML and JSON that every reader of the file understands alike.

Never guesses what a scalar means, never follows an anchor. `config.py` makes policies of it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

from twinguard.errors import Misconfigured

if TYPE_CHECKING:
    import yaml

__all__ = ["LARGEST", "Raw", "below", "from_json", "from_yaml", "number", "refuse", "too_large"]

LARGEST = 256 * 1024
DEEPEST = 20
LONGEST_NUMBER = 15

Raw: TypeAlias = "str | int | bool | Decimal | dt.date | list[Raw] | dict[str, Raw] | None"

# Patterns as texts: what a function never matches is never compiled there.
_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_AMBIGUOUS = (
    r"(?i)y|yes|n|no|on|off|true|false|null|[-+]?\.inf|\.nan|[-+]?\.?[0-9][0-9a-fox_.,:+-]*"
)
_WORDS: dict[str, Raw] = {"true": True, "false": False, "null": None, "~": None, "": None}


def refuse(source: str, at: str, message: str) -> NoReturn:
    """Raise Misconfigured with the file, the key path and the remedy."""
    raise Misconfigured(": ".join(part for part in (source, at, message) if part))


def too_large(source: str) -> NoReturn:
    """Refuse a text that no policy needs."""
    refuse(source, "", f"larger than {LARGEST // 1024} kB; a policy is a page or two: shorten it")


def below(at: str, name: str) -> str:
    """The dotted path of a key inside the block at `at`."""
    return f"{at}.{name}" if at else name


def from_json(text: str, source: str) -> Raw:
    """What JSON text says, with exact decimals and no key twice."""
    if len(text.encode(errors="replace")) > LARGEST:
        too_large(source)
    if not text.strip():
        refuse(source, "", "empty; write the output of config.render into it")

    def once(pairs: list[tuple[str, Raw]]) -> dict[str, Raw]:
        found: dict[str, Raw] = {}
        for name, value in pairs:
            if name in found:
                raise ValueError(f"{name}: stands twice in one block; keep one")
            found[name] = value
        return found

    try:
        return cast(
            "Raw",
            json.loads(
                text,
                object_pairs_hook=once,
                parse_float=number,
                parse_int=number,
                parse_constant=number,
            ),
        )
    except json.JSONDecodeError as err:
        raise Misconfigured(
            f"{source}: not JSON at line {err.lineno}, column {err.colno} ({err.msg}); "
            "write the output of config.render into it"
        ) from err
    except RecursionError as err:
        raise Misconfigured(f"{source}: nested too deeply; a policy never is") from err
    except ValueError as err:
        raise Misconfigured(f"{source}: {err}") from err


def from_yaml(text: str, source: str) -> Raw:
    """What YAML text says, with exact decimals, no key twice and no anchors."""
    import yaml

    if len(text.encode()) > LARGEST:
        too_large(source)
    try:
        _check_events(yaml.parse(text, Loader=yaml.SafeLoader), source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        parts = (getattr(err, "context", None), getattr(err, "problem", None))
        problem = ", ".join(filter(None, parts)) or "a character that YAML does not allow"
        raise Misconfigured(f"{source}: {line}{problem}; mend the YAML there") from err
    if node is None:
        refuse(source, "", "empty; start from the policy of another environment")
    return _value(node, "", source)


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text) is not None


def number(text: str) -> Decimal | int:
    """The number in plain digits, or ValueError."""
    if len(text) > LONGEST_NUMBER or not _is_number(text):
        raise ValueError(
            f"{text[:20]} is not a number of at most {LONGEST_NUMBER} digits; "
            "write it out, as 1500 or 12.34"
        )
    return Decimal(text) if "." in text else int(text)


def _check_events(events: Iterable[yaml.Event], source: str) -> None:
    """Refuse what can blow up or run code: anchors, aliases, tags, deep nesting."""
    import yaml

    depth = 0
    for event in events:
        mark = event.start_mark
        line = f"line {mark.line + 1}" if mark else ""
        if getattr(event, "anchor", None) is not None:
            refuse(source, line, "anchors and aliases are not read; write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            refuse(source, line, f"the tag {tag} is not read; remove it")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            refuse(source, line, f"nested deeper than {DEEPEST} levels; a policy never is")


def _value(node: yaml.Node, at: str, source: str) -> Raw:
    import yaml

    if isinstance(node, yaml.MappingNode):
        found: dict[str, Raw] = {}
        for key, value in node.value:
            line = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                refuse(source, at or line, f"a key that is not text ({line}); write a name")
            name = below(at, key.value)
            if key.value in found:
                refuse(source, name, f"stands twice, again in {line}; keep one")
            found[key.value] = _value(value, name, source)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, f"{at}[{index}]", source) for index, item in enumerate(node.value)]
    text = cast("str", node.value)
    return text if getattr(node, "style", None) else _plain(text, at, source)


def _plain(text: str, at: str, source: str) -> Raw:
    """What an unquoted scalar means, where there is only one answer."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _is_number(text):
            return number(text)
        if re.fullmatch(_DATE, text):
            return dt.date.fromisoformat(text)
    except ValueError as err:
        refuse(source, at, f"{err}")
    if re.fullmatch(_AMBIGUOUS, text):
        refuse(
            source,
            at,
            f'{text} means different things to different YAML readers; write "{text}" for text, '
            "true or false, or plain digits",
        )
    return text
