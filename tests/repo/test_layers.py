# SPDX-License-Identifier: Apache-2.0
"""Imports point one way, the core is pure, and vendors are imported only where they are needed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
MODULES = sorted(FUNCTIONS.rglob("*.py"))

LAYERS = (
    ("blocks", "errors", "readers", "secret_text", "settled", "words"),
    ("application", "caps", "llm_policy", "protection", "provisions", "sleep", "spending"),
    ("policy",),
    ("decide",),
    ("counters", "key_ports", "logs", "plain", "ports", "refusal"),
    (
        "audit_log",
        "block_list",
        "callers",
        "config",
        "fuse",
        "journal",
        "parse",
        "peppers",
        "places",
        "redis_tokens",
    ),
    ("redis_servers", "tallies", "usage"),
    ("guard", "reporter"),
    ("baseline_records", "customer_keys", "key_records", "theft_records"),
    ("keyring",),
    ("act", "llm", "notify", "state"),
    ("billing", "inventory"),
    ("env_files", "reconciliation", "reports"),
    ("costs", "dispatch", "flow", "key_steps", "settings"),
    ("budget_flow", "cost_flow", "key_flow", "theft_flow"),
    ("schedule_flow", "theft_lifts"),
    ("pipeline",),
    ("raising", "waking", "wiring"),
    ("standins",),
    ("main", "web"),
    ("gateway_wiring",),
    ("cli",),
)
"""From the core outwards. A module imports from the layers before its own, or its own part."""

CORE = {
    *("__future__", "collections", "collections.abc", "datetime", "decimal"),
    *("enum", "fractions", "functools", "hashlib", "itertools", "json", "math", "operator", "re"),
    *("statistics", "typing", "zlib", "zoneinfo"),
    *("msgspec", "msgspec.structs"),
}
"""What `decide/` may use: nothing that touches the world. Values are msgspec structs (ADR 2)."""

CLOCKS = {"now", "today", "utcnow", "time", "time_ns", "monotonic", "perf_counter"}
VENDORS = {
    *(
        "aiosmtpd",
        "duckdb",
        "google",
        "maxminddb",
        "jinja2",
        "redis",
        "requests",
        "rich",
        "sqlglot",
        "stamina",
    ),
    *("typer", "vl_convert", "yaml"),
}
SERVERS = {"starlette", "uvicorn"}
"""What answers HTTP: only `web/` may load it at once, which no function does."""


def part_of(path: Path) -> str:
    """The part of the package a file belongs to: `decide`, `policy`, `main`, …"""
    names = path.relative_to(FUNCTIONS).with_suffix("").parts
    return names[1] if names[0] == "twinguard" else names[0]


def imported(node: ast.AST) -> Iterator[str]:
    """The dotted names an import statement mentions."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "imports are absolute"
        if node.module == "twinguard":
            yield from (f"twinguard.{alias.name}" for alias in node.names)
        elif node.module:
            yield node.module


def while_loading(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements that run when a module is loaded: functions and type checks do not."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def rank(part: str) -> int:
    ranks = [number for number, parts in enumerate(LAYERS) if part in parts]
    assert ranks, f"{part} is in no layer; add it to LAYERS where it belongs"
    return ranks[0]


def wrong_arrows(path: Path, source: str) -> list[str]:
    part = part_of(path)
    return [
        f"{part} imports {name}"
        for node in ast.walk(ast.parse(source))
        for name in imported(node)
        if name.startswith("twinguard.")
        if (other := name.split(".")[1]) != part and rank(other) >= rank(part)
    ]


def impurities(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        found += [
            name
            for name in imported(node)
            if name not in CORE and not name.startswith(("twinguard.policy", "twinguard.decide"))
        ]
        found += clock_readings(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}:
            found.append(ast.unparse(node))
    return found


def clock_readings(node: ast.AST) -> list[str]:
    is_one = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        # `moment.time()` gives the time of day of a moment; the module's gives the clock's.
        and (node.func.attr != "time" or ast.unparse(node.func.value) == "time")
    )
    return [ast.unparse(node)] if is_one else []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FUNCTIONS)))
def test_imports_point_towards_the_core(path):
    if path.name == "__init__.py" and path.parent.name == "twinguard":
        assert "import" not in path.read_text()
        return

    assert wrong_arrows(path, path.read_text()) == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(path) == "decide"],
    ids=lambda path: path.name,
)
def test_the_core_touches_nothing(path):
    assert impurities(path.read_text()) == []


def test_the_policy_reads_no_clock():
    tree = ast.parse((FUNCTIONS / "twinguard" / "policy.py").read_text())

    assert [reading for node in ast.walk(tree) for reading in clock_readings(node)] == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if part_of(path) not in {"cli", "main", "standins"}],
    ids=lambda path: str(path.relative_to(FUNCTIONS)),
)
def test_loading_a_module_loads_no_vendor(path):
    """Each vendor's client costs a cold start 30 to 80 ms."""
    tree = ast.parse(path.read_text())

    names = {name.split(".")[0] for node in while_loading(tree) for name in imported(node)}

    assert names & (VENDORS if part_of(path) == "web" else VENDORS | SERVERS) == set()


def test_the_core_uses_only_msgspec_outside_the_standard_library():
    assert {name.split(".")[0] for name in CORE} - sys.stdlib_module_names == {"msgspec"}


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from time import sleep",
        "import logging",
        "from twinguard.errors import BadEvent",
        "import datetime as dt\nx = dt.datetime.now(dt.UTC)",
        "import datetime as dt\nx = dt.date.today()",
        "def f(time):\n    return time.time()",
        "print('x')",
    ],
)
def test_an_impurity_in_the_core_would_be_seen(source):
    assert impurities(source) != []


def test_a_wrong_arrow_would_be_seen():
    source = "def f():\n    from twinguard import wiring, errors\n"

    found = wrong_arrows(FUNCTIONS / "twinguard" / "state" / "x.py", source)

    assert found == ["state imports twinguard.wiring"]


def test_a_vendor_loaded_too_early_would_be_seen():
    source = (
        "class A:\n    import requests\n"
        "if TYPE_CHECKING:\n    import yaml\n"
        "def f():\n    import redis\n"
    )

    names = [name for node in while_loading(ast.parse(source)) for name in imported(node)]

    assert names == ["requests"]
