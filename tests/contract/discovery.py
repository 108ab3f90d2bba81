# SPDX-License-Identifier: Apache-2.0
"""Check recorded HTTP exchanges against Google's own discovery documents.

The documents ship with google-api-python-client; nothing is fetched. Enum numbers are allowed only
where the request asked for them, and are checked against the number of known names."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinguard.standins.server import Exchange

APIS = (
    *("run.v2", "pubsub.v1", "monitoring.v3", "cloudbilling.v1"),
    *("apikeys.v2", "compute.v1", "iam.v1", "logging.v2", "secretmanager.v1"),
    *("billingbudgets.v1", "cloudfunctions.v2", "cloudresourcemanager.v1", "cloudscheduler.v1"),
)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_ERROR = {"code", "message", "status"}
_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_MASK = re.compile(r"[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*")


@dataclass(frozen=True)
class Method:
    """One method of one API, and where its schemas are."""

    id: str
    verb: str
    path: re.Pattern[str]
    spec: Mapping[str, Any]
    document: Mapping[str, Any]


def problems(exchange: Exchange) -> list[str]:
    """What Google's documents say against an exchange; empty when it conforms."""
    known = [each for each in _methods() if each.path.fullmatch(exchange.path)]
    if not known:
        return [f"{exchange.path}: no method has this path"]
    fitting = [each for each in known if each.verb == exchange.method]
    if not fitting:
        verbs = ", ".join(sorted({each.verb for each in known}))
        return [f"{exchange.path}: {exchange.method} is not one of {verbs}"]
    return min((_against(exchange, method) for method in fitting), key=len)


def method_ids(exchange: Exchange) -> set[str]:
    """The ids of the methods that an exchange can be."""
    fitting = (each for each in _methods() if each.path.fullmatch(exchange.path))
    return {each.id for each in fitting if each.verb == exchange.method}


def schema(api: str, name: str) -> Mapping[str, Any]:
    """A schema by name."""
    found: Mapping[str, Any] = _document(api)["schemas"][name]
    return found


def _against(exchange: Exchange, method: Method) -> list[str]:
    """Parameters, body and answer of an exchange against one method."""
    numbers = "enum-encoding=int" in exchange.query.get("$alt", "")
    check = _Check(method.document, writing=True, numbers=numbers)
    found = [*_parameters(exchange.query, method)]
    request = method.spec.get("request")
    if request is None and exchange.body is not None:
        found.append(f"{method.id}: takes no body")
    elif request is not None:
        found += check.value(exchange.body if exchange.body is not None else {}, request, "body")
    if 200 <= exchange.status < 300:
        answer = _Check(method.document, writing=False, numbers=numbers)
        found += answer.value(exchange.answer, method.spec.get("response", {}), "answer")
    elif exchange.status:
        found += _error(exchange)
    return found


def _error(exchange: Exchange) -> list[str]:
    error = exchange.answer.get("error", {}) if isinstance(exchange.answer, dict) else {}
    if error.get("code") == exchange.status and error.keys() - {"details"} == _ERROR:
        return []
    return [f"answer: {exchange.answer!r} is not an error of Google's APIs"]


def _parameters(query: Mapping[str, str], method: Method) -> Iterator[str]:
    known = {
        name: spec
        for name, spec in method.spec.get("parameters", {}).items()
        if spec["location"] == "query"
    }
    system = method.document["parameters"]
    for name, text in query.items():
        spec = known.get(name) or system.get(name) or system.get(name.removeprefix("$"))
        if spec is None:
            yield f"query {name}: unknown to {method.id}"
            continue
        value = text.split(";")[0] if name == "$alt" else text
        yield from _Check(method.document, writing=True, numbers=False).text(value, spec, name)
    for name, spec in known.items():
        if spec.get("required") and name not in query:
            yield f"query {name}: missing for {method.id}"


@dataclass(frozen=True)
class _Check:
    """Values against schemas of one document."""

    document: Mapping[str, Any]
    writing: bool
    numbers: bool

    def value(self, value: Any, spec: Mapping[str, Any], at: str) -> Iterator[str]:
        if "$ref" in spec:
            spec = self.document["schemas"][spec["$ref"]]
        kind = spec.get("type", "any")
        if kind == "any":
            return
        if "enum" in spec and self.numbers and type(value) is int:
            if not 0 <= value < len(spec["enum"]):
                yield f"{at}: {value} is not the number of one of {', '.join(spec['enum'])}"
        elif not isinstance(value, _TYPES[kind]) or (kind != "boolean" and value is True):
            yield f"{at}: {value!r} is not of type {kind}"
        elif isinstance(value, dict):
            yield from self.fields(value, spec, at)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.value(item, spec["items"], f"{at}[{index}]")
        else:
            yield from self.scalar(value, spec, at)

    def fields(self, value: Mapping[str, Any], spec: Mapping[str, Any], at: str) -> Iterator[str]:
        typed = str(value.get("@type", ""))
        if typed:
            spec = _named_type(self.document, typed) or spec
        for name, item in value.items():
            if name == "@type" and typed:
                continue
            known = spec.get("properties", {}).get(name) or spec.get("additionalProperties")
            if known is None:
                yield f"{at}.{name}: unknown field"
            elif self.writing and known.get("readOnly"):
                yield f"{at}.{name}: only Google writes this field"
            else:
                yield from self.value(item, known, f"{at}.{name}")

    def scalar(self, value: Any, spec: Mapping[str, Any], at: str) -> Iterator[str]:
        if "enum" in spec and value not in spec["enum"]:
            yield f"{at}: {value!r} is not one of {', '.join(spec['enum'])}"
        if "pattern" in spec and not re.search(spec["pattern"], str(value)):
            yield f"{at}: {value!r} does not match {spec['pattern']}"
        if not _formatted(value, spec.get("format", "")):
            yield f"{at}: {value!r} is not a {spec['format']}"

    def text(self, value: str, spec: Mapping[str, Any], at: str) -> Iterator[str]:
        """A query parameter: its type is written as text."""
        kind = spec["type"]
        if kind == "boolean" and value not in {"true", "false"}:
            yield f"query {at}: {value!r} is not of type boolean"
        elif kind in {"integer", "number"} and not re.fullmatch(r"-?\d+(\.\d+)?", value):
            yield f"query {at}: {value!r} is not of type {kind}"
        elif kind == "string":
            yield from self.scalar(value, spec, f"query {at}")


def _formatted(value: Any, form: str) -> bool:
    """True for a value in this format, and for a format that says nothing more than the type."""
    try:
        return form not in _FORMATS or _FORMATS[form](value)
    except (ValueError, binascii.Error):
        return False


def _is_base64(value: str) -> bool:
    base64.b64decode(value, validate=True)
    return True


_FORMATS: dict[str, Callable[[Any], bool]] = {
    "int32": lambda value: value in _INT32,
    "int64": lambda value: int(value) in _INT64,
    "byte": _is_base64,
    "google-datetime": lambda value: dt.datetime.fromisoformat(value).tzinfo is not None,
    "google-duration": lambda value: _DURATION.fullmatch(value) is not None,
    "google-fieldmask": lambda value: all(_MASK.fullmatch(path) for path in value.split(",")),
}


def _named_type(document: Mapping[str, Any], url: str) -> Mapping[str, Any] | None:
    """`type.googleapis.com/google.cloud.run.v2.Service` is the schema GoogleCloudRunV2Service."""
    parts = url.rsplit("/", 1)[-1].split(".")
    name = "".join(part[:1].upper() + part[1:] for part in parts)
    found: Mapping[str, Any] | None = document["schemas"].get(name)
    return found


@functools.cache
def _document(api: str) -> Mapping[str, Any]:
    package = importlib.util.find_spec("googleapiclient")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "discovery_cache" / "documents"
    found: Mapping[str, Any] = json.loads((folder / f"{api}.json").read_text(encoding="utf-8"))
    return found


@functools.cache
def _methods() -> tuple[Method, ...]:
    return tuple(
        Method(spec["id"], spec["httpMethod"], _pattern(document, spec), spec, document)
        for document in map(_document, APIS)
        for spec in _specs(document)
    )


def _specs(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _specs(inner)


def _pattern(document: Mapping[str, Any], spec: Mapping[str, Any]) -> re.Pattern[str]:
    """The paths of a method: its template with each parameter's own pattern.

    A colon ends a name, since it begins a custom verb."""
    pattern = re.escape(f"/{document['servicePath']}")
    for literal, name in re.findall(r"([^{]+)|\{\+?(\w+)\}", spec["path"]):
        shape = spec["parameters"][name].get("pattern", "[^/]+") if name else ""
        pattern += re.escape(literal) or shape.strip("^$").replace("[^/]+", "[^/:]+")
    return re.compile(pattern)
