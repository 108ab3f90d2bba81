# SPDX-License-Identifier: Apache-2.0
"""Read a policy from YAML or JSON, or refuse it with a message that names file, key and remedy.

Texts are read by `plain.py`, the rules are in `policy.py`, their wording in `refusal.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from twinguard.errors import Misconfigured
from twinguard.plain import LARGEST, Raw, below, from_json, from_yaml, number, refuse, too_large
from twinguard.policy import Environment, Policy, Setting

__all__ = [
    "SHORT_NAMES",
    "environment_named",
    "load",
    "parse",
    "path_of",
    "render",
    "schema",
]

SHORT_NAMES = {
    "prod": Environment.PRODUCTION,
    "stage": Environment.STAGING,
    "stg": Environment.STAGING,
    "dev": Environment.DEVELOPMENT,
    "test": Environment.CI,
    "cicd": Environment.CI,
}
"""What a command line takes besides the full names."""

DECIMALS = frozenset({"amount", "monthly_budget", "percent", "rearm_percent", "temperature"})
"""Exact numbers of the budget and of OpenAI; in quotes they must be as plain as without."""
EXACT = ("budget.", "openai.")


def path_of(environment: Environment) -> Path:
    """Where an environment's policy stands in a checkout."""
    root = Path(__file__).resolve().parents[2]
    return root / "environments" / environment.value / "policy.yaml"


def environment_named(text: str) -> Environment:
    """The environment of that full or short name."""
    name = text.strip().lower()
    known = {environment.value: environment for environment in Environment} | SHORT_NAMES
    if name in known:
        return known[name]
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {known[close[0]].value}? " if close else ""
    raise Misconfigured(
        f"{text!r} is not an environment; {hint}choose {', '.join(Environment)} "
        f"(or {', '.join(SHORT_NAMES)})"
    )


def load(path: Path) -> Policy:
    """The policy in a YAML file; its `environment` must agree with its folder."""
    source = str(path)
    raw = from_yaml(_text(path, source), source)
    named = raw.get("environment") if isinstance(raw, dict) else None
    folder = path.resolve().parent
    placed = folder.parent.name == "environments" or folder.name in set(Environment)
    if placed and isinstance(named, str) and named in {*Environment} - {folder.name}:
        refuse(
            source,
            "environment",
            f"{named} stands in the folder {folder.name}; make the two the same, or move the file",
        )
    return _policy(raw, source)


def parse(text: str, source: str) -> Policy:
    """The policy in JSON text, as a deployed function gets it in `TWINGUARD_POLICY`."""
    return _policy(from_json(text, source), source)


def render(policy: Policy) -> str:
    """Canonical JSON of the resolved policy: defaults filled in, the same bytes each time."""
    encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")
    return encoder.encode(policy).decode()


def schema() -> dict[str, object]:
    """The JSON schema of a policy file, for editors and for `environments/policy.schema.json`."""
    generated = cast("dict[str, object]", _numbers(msgspec.json.schema(Policy)))
    defs = cast("dict[str, dict[str, dict[str, dict[str, object]]]]", generated["$defs"])
    defs["Alerts"]["properties"]["routes"]["propertyNames"] = {"$ref": "#/$defs/Level"}
    settings = {"enum": sorted(Setting)}
    defs["Alerts"]["properties"]["versions"]["propertyNames"] = settings
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:twinguard:policy",
        "title": "Twinguard policy",
        **generated,
    }


def _numbers(node: object) -> object:
    """The schema with decimals as the numbers they are in a file, not as the text msgspec sends."""
    if isinstance(node, (list, tuple)):
        return [_numbers(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        rest = {name: node[name] for name in node if name not in {"type", "format", "default"}}
        default = {"default": int(node["default"])} if "default" in node else {}
        return {**rest, "type": "number", **default}
    return {
        name: int(value) if name in DECIMALS and isinstance(value, str) else _numbers(value)
        for name, value in node.items()
    }


def _text(path: Path, source: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as err:
        raise Misconfigured(f"{source}: cannot be read ({err.strerror}); check the path") from err
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as err:
        if len(data) > LARGEST:
            too_large(source)
        raise Misconfigured(
            f"{source}: byte {err.start} is not UTF-8; save the file as UTF-8"
        ) from err


def _policy(raw: Raw, source: str) -> Policy:
    for at, value in _leaves(raw, ""):
        if isinstance(value, str) and at.startswith(EXACT) and at.split(".")[-1] in DECIMALS:
            try:
                number(value)
            except ValueError as err:
                refuse(source, at, str(err))
    try:
        return msgspec.convert(raw, Policy)
    except msgspec.ValidationError as err:
        from twinguard.refusal import explained

        raise Misconfigured(f"{source}: {explained(str(err), raw, schema())}") from err


def _leaves(raw: Raw, at: str) -> Iterator[tuple[str, Raw]]:
    if isinstance(raw, dict):
        for name, value in raw.items():
            yield from _leaves(value, below(at, name))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from _leaves(value, f"{at}[{index}]")
    else:
        yield at, raw
