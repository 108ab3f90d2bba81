# SPDX-License-Identifier: Apache-2.0
"""Check recorded exchanges against OpenAI's published formats in tests/data/vendors."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

from twinguard.standins.server import Exchange

_FILE = Path(__file__).parents[1] / "data" / "vendors" / "openai-admin.schema.json"
_NOTHING = {"type": "object", "maxProperties": 0}
_OK = 200


def problems(exchange: Exchange) -> list[str]:
    """What the formats say against an exchange; empty when it conforms."""
    name = operation(exchange)
    if not name:
        return [f"{exchange.method} {exchange.path}: no such operation"]
    known = _document()["x-operations"][name]
    answer = known["answer"] if exchange.status == _OK else {"$ref": "#/$defs/error"}
    found = [
        *_against(dict(exchange.query), known.get("query", _NOTHING), f"{name}: query"),
        *_against(exchange.body or {}, known.get("body", _NOTHING), f"{name}: body"),
    ]
    return [*found, *_against(exchange.answer, answer, f"{name}: answer")]


def operation(exchange: Exchange) -> str:
    """The name of the operation that an exchange is."""
    for name, known in _document()["x-operations"].items():
        if known["method"] == exchange.method and re.fullmatch(known["path"], exchange.path):
            return str(name)
    return ""


def operations() -> set[str]:
    """Every operation that Twinguard may call."""
    return set(_document()["x-operations"])


def _against(value: object, schema: Mapping[str, Any], what: str) -> Iterator[str]:
    whole = {"$defs": _document()["$defs"], **schema}
    for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
        yield f"{what}: {error.message}"


@functools.cache
def _document() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found
