# SPDX-License-Identifier: Apache-2.0
"""What Twinguard says of itself as tables: metrics, numbers of a process, outcomes, log lines.

Found in Terraform and in the code, so nothing is listed that nobody says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from twinguard.cli.markdown import table
from twinguard.errors import Misconfigured

_METRIC = re.compile(
    r'resource "google_logging_metric" .*?name += "\$\{local\.name\}-(?P<name>[a-z-]+)".*?'
    r'description += "(?P<words>[^"]+)"',
    re.DOTALL,
)

NUMBERS = {
    "admitted": "Requests that were let through.",
    "block_list_age_seconds": "Since the block list was last heard of.",
    "block_list_keys": "Keys that are held back.",
    "counters_down": "1 while the counters are not asked, because they failed three times.",
    "counters_failures": "Calls of the counters that failed.",
    "failed_closed": "Requests that were refused because nobody could be asked.",
    "failed_open": "Requests that were let through although nobody could be asked.",
    "found_…": "Findings, by level: `found_critical`, `found_high`, `found_medium`, `found_low`.",
    "key_store_down": "1 while the store of customers' keys does not answer.",
    "refused_blocked": "Requests of blocked keys.",
    "refused_throttled": "Requests of throttled keys beyond their rate.",
    "usage_dropped": "Uses that were not reported: the topic did not answer for too long.",
    "usage_reported": "Uses that were reported.",
    "usage_waiting": "Uses that wait to be reported.",
}
"""What `guard.tallies.read()` has; a test compares it with the code."""

OUTCOMES = {
    "done": "Decided and confirmed; `decision`, `actions` and `alerts` say what.",
    "retry": "`Unavailable`: not acknowledged, delivered again; `reason` says what is missing.",
    "dead letter": "`BadEvent`: recorded, people told once a day, acknowledged.",
    "refused": "The caller was not the push subscription.",
    "misconfigured": "Found only while it ran: a store that belongs to another environment.",
}
"""How a function's event ends."""


def markdown(repository: Path) -> str:
    """All of it, as sections."""
    functions = repository / "functions"
    observability = repository / "terraform" / "modules" / "observability"
    text = "\n".join(path.read_text("utf-8") for path in sorted(observability.glob("*.tf")))
    metrics = [
        (f"`<prefix>-<environment>-{m['name']}`", m["words"]) for m in _METRIC.finditer(text)
    ]
    if wrong := numbers(functions) ^ NUMBERS.keys():
        raise Misconfigured(f"{', '.join(sorted(wrong))}: say in reference_signals.py what it is")
    return "\n\n".join(
        (
            "## Metrics in Cloud Monitoring",
            table(("metric", "what it is"), metrics),
            "## Numbers of a guarded process",
            table(("number", "what it is"), [(f"`{n}`", words) for n, words in NUMBERS.items()]),
            "## How an event ends",
            "A function writes one line for each event; what belongs to its outcome is in it.",
            table(("outcome", "what it means"), [(f"`{n}`", told) for n, told in OUTCOMES.items()]),
            "## Lines with an event",
            table(("event", "fields", "from"), events(functions)),
            "## Lines that say something is wrong",
            table(("level", "line", "from"), complaints(functions)),
        )
    )


def numbers(functions: Path) -> set[str]:
    """The names of all tallies; `…` is what is known only while it runs."""
    return {
        text
        for _, method, of, argument in _calls(functions)
        if method in {"add", "gauge"} and of.endswith("tallies")
        for text in _texts(argument)
    }


def events(functions: Path) -> list[tuple[str, str, str]]:
    """Each `event` of a log line with the line's other fields, as far as they are written out."""
    found = set()
    for place, node in nodes(functions):
        if not isinstance(node, ast.Dict) or place.startswith(("cli/", "standins/")):
            continue
        named = zip(node.keys, node.values, strict=True)
        fields = {text: value for key, value in named if key for text in _texts(key)}
        if event := fields.pop("event", None):
            name = next((f"`{text}`" for text in _texts(event)), "the entry point's name")
            found.add((name, ", ".join(f"`{field}`" for field in fields), f"`{place}`"))
    return sorted(found)


def complaints(functions: Path) -> list[tuple[str, str, str]]:
    """Level, text and file of each line that says something is wrong, the worst first."""
    levels = ("critical", "error", "warning")
    found = {
        (levels.index(method), re.sub("%[sd]", "…", text), place)
        for place, method, of, argument in _calls(functions)
        if method in levels and of == "_log"
        for text in _texts(argument)
        if re.search("[a-z]", text.replace("%s", ""))
    }
    return [(levels[level], text, f"`{place}`") for level, text, place in sorted(found)]


def _calls(functions: Path) -> Iterator[tuple[str, str, str, ast.expr]]:
    """Calls of methods: the file, the method, what it is called on, the first argument."""
    for place, node in nodes(functions):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            yield place, node.func.attr, ast.unparse(node.func.value), node.args[0]


@cache
def nodes(functions: Path) -> tuple[tuple[str, ast.AST], ...]:
    """Every node of the product's code with its file, read once."""
    return tuple(
        (path.relative_to(functions).as_posix().removeprefix("twinguard/"), node)
        for path in sorted(functions.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.Call, ast.Constant, ast.Dict))
    )


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may come to."""
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
