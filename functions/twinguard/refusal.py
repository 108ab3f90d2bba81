# SPDX-License-Identifier: Apache-2.0
"""Turn msgspec's refusal of a policy into a dotted key path, what is wrong, and the remedy.

Never decides what is allowed: that is `policy.py`. Loaded only once something was refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, cast

import msgspec

from twinguard.policy import Policy

__all__ = ["explained"]

Schema: TypeAlias = "Mapping[str, object]"
Step: TypeAlias = "str | int"

_REFUSAL = re.compile(r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<at>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_PATTERN = re.compile(r"Expected `str` matching regex '(?P<regex>.*)'")
_TYPE = re.compile(r"Expected `(?P<wanted>.*)`, got `.*`")
_LIMIT = re.compile(r"Expected `(?P<wanted>.*)` (?P<limit>(?:of length )?[<>]=? .*)")

_TYPES = {
    "array": ("a list", "[first, second]"),
    "bool": ("true or false", "one of the two, without quotes"),
    "date": ("a date", "it like 2026-12-25"),
    "decimal": ("a number", "digits, as 12.34"),
    "int": ("a whole number", "digits, as 3"),
    "object": ("a block of keys", "its keys below it, indented"),
    "str": ("text", "it in quotes"),
}
LONGEST_SHOWN = 60
_EXAMPLES = {
    "account": "living-twin-api@living-twin-staging.iam.gserviceaccount.com",
    "age": "age1… as age-keygen prints it",
    "apis": "places.googleapis.com",
    "at": '"02:00"',
    "billing_account": '"012345-567890-ABCDEF"',
    "auth": "localhost:9099",
    "currency": "USD",
    "endpoint": "http://localhost:11434",
    "firestore": "localhost:8080",
    "id": "living-twin-staging",
    "limits": "tenant:acme",
    "kms": "projects/living-twin-prod/locations/europe/keyRings/env/cryptoKeys/env",
    "model": "gpt-4",
    "owner_id": '"1234567"',
    "readers": "group:developers@example.com",
    "region": "europe-west1",
    "open_routes": "/healthz",
    "repository_id": '"1234567"',
    "roles": "roles/datastore.user",
    "uri": "neo4j+s://prod-cluster.neo4j.io",
    "service": "services/152E-C115-5142",
}


def explained(refusal: str, raw: object, schema: Schema) -> str:
    """`path: what is wrong; the remedy` for one refusal of msgspec."""
    parts = _REFUSAL.fullmatch(refusal)
    assert parts is not None  # noqa: S101 - the pattern takes any text
    of_key = parts["key"] is not None
    steps = _steps(parts["at"] or "", of_key, refusal, raw)
    value = steps[-1] if of_key else _at(raw, steps)
    known = _schema_at(schema, steps[:-1] if of_key else steps)
    if of_key:
        known = cast("Schema", known.get("propertyNames", {}))
    return _worded(parts["what"], steps, value, _resolved(schema, known))


def _worded(what: str, steps: list[Step], value: object, known: Schema) -> str:
    if unknown := _UNKNOWN.fullmatch(what):
        names = list(cast("Schema", known.get("properties", {})))
        advice = _advice(unknown["name"], names, "here the keys are")
        return f"{_dotted([*steps, unknown['name']])}: unknown key; {advice} Otherwise remove it."
    if missing := _MISSING.fullmatch(what):
        return f"{_dotted([*steps, missing['name']])}: missing; add it"
    if wrong := _wrong_value(what, steps, value, known):
        return f"{_dotted(steps) or 'the whole file'}: {_shown(value)} {wrong}"
    return _joined(steps, what)


def _wrong_value(what: str, steps: list[Step], value: object, known: Schema) -> str:
    """What is wrong with a value and the remedy, or nothing where a rule of ours spoke."""
    if "enum" in known:
        names = [str(name) for name in cast("Sequence[object]", known["enum"])]
        return f"is not known; {_advice(str(value), names, 'choose')}"
    if pattern := _PATTERN.fullmatch(what):
        keys = [step for step in steps if isinstance(step, str)]
        known_of = [_EXAMPLES[key] for key in reversed(keys[-2:]) if key in _EXAMPLES]
        example = known_of[0] if known_of else "living-twin-api"
        regex = pattern["regex"].replace("\\\\", "\\")  # msgspec quotes it as Python would
        return f"does not match {regex}; write it like {example}"
    if limit := _LIMIT.fullmatch(what):
        bound = limit["limit"].replace("of length <=", "of at most")
        unit = " characters" if bound != limit["limit"] else ""
        return f"is out of range; write {_type_named(limit['wanted'])[0]} {bound}{unit}"
    wanted = _TYPE.fullmatch(what)
    if wanted or what.startswith(("Invalid decimal", "Invalid RFC3339")):
        name = wanted["wanted"] if wanted else "date" if "date" in what else "decimal"
        words, way = _type_named(name)
        return f"is not {words}; write {way}"
    return ""


def _type_named(name: str) -> tuple[str, str]:
    """A type in words, and how to write a value of it."""
    first = name.split(" | ", maxsplit=1)[0]
    return _TYPES.get(first, (first, f"a value of type {first}"))


def _joined(steps: list[Step], message: str) -> str:
    """A rule's own message, which may begin with the name of its block, behind the path."""
    if steps and re.match(rf"{re.escape(str(steps[-1]))}[.:]", message):
        return _dotted([*steps[:-1], message])
    at = _dotted(steps)
    return f"{at}: {message}" if at else message


def _advice(name: str, names: Iterable[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]}?" if close else f"{otherwise} {', '.join(sorted(names))}."


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a block of keys"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    text = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return f'"{text}"' if isinstance(value, str) else text


def _dotted(steps: Iterable[Step]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


# --- finding the place ---------------------------------------------------------------------------


def _steps(at: str, of_key: bool, refusal: str, raw: object) -> list[Step]:
    """The path, with the key named where msgspec only says that it is one of a mapping's."""
    steps: list[Step] = []
    for name, index in re.findall(r"\.([A-Za-z0-9_]+)|\[([0-9]+|\.\.\.)\]", at):
        if index == "...":
            steps.append(_guilty(steps, refusal, raw))
        else:
            steps.append(name or int(index))
    return [*steps, _guilty(steps, refusal, raw)] if of_key else steps


def _guilty(steps: list[Step], refusal: str, raw: object) -> str:
    """The key of the mapping at `steps` that alone draws the same refusal."""
    names = list(cast("Mapping[str, object]", _at(raw, steps)))
    for name in names[:-1]:
        try:
            msgspec.convert(_with_only(raw, steps, name), Policy)
        except msgspec.ValidationError as err:
            if str(err) == refusal:
                return name
    return names[-1]


def _with_only(raw: object, steps: list[Step], name: str) -> object:
    """`raw` with nothing but `name` in the mapping at `steps`."""
    if not steps:
        return {name: cast("Mapping[str, object]", raw)[name]}
    if isinstance(raw, list):
        return [
            _with_only(item, steps[1:], name) if index == steps[0] else item
            for index, item in enumerate(raw)
        ]
    return {
        key: _with_only(value, steps[1:], name) if key == steps[0] else value
        for key, value in cast("Mapping[str, object]", raw).items()
    }


def _at(raw: object, steps: Iterable[Step]) -> object:
    for step in steps:
        raw = cast("Mapping[Step, object]", raw)[step]
    return raw


def _resolved(schema: Schema, node: Schema) -> Schema:
    """The definition a schema node stands for, past references and `or null`."""
    while True:
        if "$ref" in node:
            name = str(node["$ref"]).removeprefix("#/$defs/")
            node = cast("Mapping[str, Schema]", schema["$defs"])[name]
        elif "anyOf" in node:
            node = cast("Sequence[Schema]", node["anyOf"])[0]
        else:
            return node


def _schema_at(schema: Schema, steps: Iterable[Step]) -> Schema:
    node = _resolved(schema, schema)
    for step in steps:
        properties = cast("Mapping[str, Schema]", node.get("properties", {}))
        below = node.get("items" if isinstance(step, int) else "additionalProperties", {})
        below = properties.get(str(step), below)
        node = _resolved(schema, cast("Schema", below if isinstance(below, dict) else {}))
    return node
