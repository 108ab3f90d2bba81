# SPDX-License-Identifier: Apache-2.0
"""The policy's keys as tables, from the schema: type, default, meaning, each environment's value.

Reads what it is handed. `reference.py` writes the document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from twinguard import config
from twinguard.cli.markdown import NONE, table
from twinguard.errors import Misconfigured
from twinguard.policy import Policy

Schema = Mapping[str, Any]
LONGEST_VALUE = 60


def markdown(policies: tuple[Policy, ...]) -> str:
    """Every block with its keys, then what each environment says."""
    definitions: Schema = config.schema()["$defs"]  # type: ignore[assignment]
    places = dict[str, list[str]]()
    for path, name in _blocks("Policy", "", definitions):
        places.setdefault(name, []).append(path)
    parts = [_block(name, paths, definitions) for name, paths in places.items()]
    return "\n\n".join([*parts, _values(policies, definitions)])


def _blocks(name: str, path: str, definitions: Schema) -> Iterator[tuple[str, str]]:
    """Each block by its path, the whole first; what stands in a map or list has a sign for it."""
    yield path, name
    for key, told in definitions[name]["properties"].items():
        for inner, sign in _inner(told):
            if "properties" in definitions[inner]:
                place = f"{path}.{key}" if path else key
                yield from _blocks(inner, f"{place}{sign}", definitions)


def _inner(told: Schema) -> Iterator[tuple[str, str]]:
    """The definitions that a key refers to."""
    for one in (told, *told.get("anyOf", ())):
        if "$ref" in one:
            yield _name(one), ""
        if "$ref" in (items := one.get("items", {})):
            yield _name(items), "[]"
        if isinstance(more := one.get("additionalProperties"), Mapping) and "$ref" in more:
            yield _name(more), ".NAME"


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _block(name: str, paths: list[str], definitions: Schema) -> str:
    block = definitions[name]
    title = ", ".join(f"`{path}`" for path in paths) if paths != [""] else "The whole"
    rows = [
        (f"`{key}`", _kind(told, definitions), _default(block, key), _meaning(told, definitions))
        for key, told in block["properties"].items()
    ]
    if silent := [row[0] for row in rows if not row[3]]:
        raise Misconfigured(f"{name}: say what {', '.join(silent)} means, by Meta(description=…)")
    heading = f"## {title}\n\n{block['description']}"
    return f"{heading}\n\n{table(('key', 'type', 'default', 'meaning'), rows)}"


def _kind(told: Schema, definitions: Schema) -> str:
    """What a value looks like, in words."""
    if "anyOf" in told:
        return _kind(next(one for one in told["anyOf"] if one.get("type") != "null"), definitions)
    if "$ref" in told:
        inner = definitions[_name(told)]
        return _choice(inner["enum"]) if "enum" in inner else "block"
    if "enum" in told:
        return _choice(told["enum"])
    if told["type"] == "array":
        return f"list of {_kind(told['items'], definitions)}"
    if told["type"] == "object":
        return f"map of {_kind(told['additionalProperties'], definitions)}"
    limits = [f"{word} {told[name]}" for name, word in _LIMITS if name in told]
    kind = str(told["type"])
    words = {"string": "text", "boolean": "true or false"}.get(kind, kind)
    return " ".join([words, *limits])


_LIMITS = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))


def _choice(values: list[str]) -> str:
    return " or ".join(f"`{value}`" for value in values)


def _default(block: Schema, key: str) -> str:
    if key in block.get("required", ()):
        return "needed"
    default = block["properties"][key].get("default")
    if default in (None, {}, [], ""):
        return NONE
    return "its own" if isinstance(default, dict) else f"`{json.dumps(default)}`"


def _meaning(told: Schema, definitions: Schema) -> str:
    """A key's own words, else those of what it holds."""
    if words := told.get("description"):
        return str(words)
    inner = next(_inner(told), None)
    return str(definitions[inner[0]].get("description", "")) if inner else ""


# --- what each environment says ------------------------------------------------------------------


def _values(policies: tuple[Policy, ...], definitions: Schema) -> str:
    """Every value that some environment sets apart from its default."""
    told = [dict(_flat(json.loads(config.render(policy)), "")) for policy in policies]
    usual = dict(_usual("Policy", "", definitions))
    paths = list(dict.fromkeys(path for values in told for path in values))
    rows = [
        (f"`{path}`", *(_cell(values.get(path)) for values in told))
        for path in paths
        if any(values.get(path) not in (None, usual.get(path)) for values in told)
    ]
    names = tuple(policy.environment.value for policy in policies)
    heading = "## What each environment says\n\nValues that differ from the default somewhere."
    return f"{heading}\n\n{table(('key', *names), rows)}"


def _flat(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Values by their path. A list of blocks is one value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    elif value not in (None, []):
        yield path, value


def _usual(name: str, path: str, definitions: Schema) -> Iterator[tuple[str, object]]:
    """The defaults by their path, as far as blocks go without a name of somebody's."""
    for key, told in definitions[name]["properties"].items():
        place = f"{path}.{key}" if path else key
        yield from _flat(told.get("default"), place)
        for inner, sign in _inner(told):
            if "properties" in definitions[inner]:
                yield from _usual(inner, place if not sign else f"{place}{sign}", definitions)


def _cell(value: object) -> str:
    if value is None:
        return NONE
    if isinstance(value, list):
        values = [" ".join(map(str, v.values())) if isinstance(v, dict) else str(v) for v in value]
        text = ", ".join(values)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
