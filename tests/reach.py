# SPDX-License-Identifier: Apache-2.0
"""Which of its ports an entry point can reach, read from the source.

Follows what a handler calls: its own methods and properties, functions by their name, and methods
of every class that is made on the way. It may find too much, never too little."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from twinguard import dispatch
from twinguard.flow import Flow, Ports
from twinguard.key_flow import KeyFlow
from twinguard.pipeline import Pipeline
from twinguard.theft_flow import TheftFlow

HANDLERS: dict[str, tuple[tuple[type | None, Callable[..., Any]], ...]] = {
    "on_budget_alert": ((Pipeline, Pipeline.on_budget_alert),),
    "on_schedule": ((Pipeline, Pipeline.on_schedule),),
    "on_secret_event": ((KeyFlow, KeyFlow.on_secret_event),),
    "on_usage": ((TheftFlow, TheftFlow.on_usage),),
    "dispatch_alert": ((None, dispatch.dispatch), (None, dispatch.flush)),
}
"""What `wiring.py` lets each entry point do, and the class it is a method of."""

FIELDS = set(Ports.__struct_fields__)


def ports_of(entry_point: str) -> set[str]:
    """The fields of `Ports` that an entry point's handler, or the end of a bad event, can reach."""
    walk = _Walk()
    walk.enter(Flow, Flow.report_bad_event)
    for owner, handler in HANDLERS[entry_point]:
        walk.enter(owner, handler)
    return walk.finished()


class _Walk:
    """What was seen so far, and what is still to be looked at."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.classes: set[type] = set()
        self.unresolved: set[str] = set()
        self.seen: set[tuple[type | None, FunctionType]] = set()
        self.waiting: list[tuple[type | None, FunctionType]] = []

    def enter(self, owner: type | None, target: object) -> None:
        """Look at a function, or at a class that is made."""
        function = target.fget if isinstance(target, property) else target
        function = inspect.unwrap(function) if callable(function) else function
        if owner is not None:
            self._made(owner)
        if isinstance(function, type):
            self._made(function)
        elif (
            isinstance(function, FunctionType)
            and _ours(function)
            and (owner, function) not in self.seen
        ):
            self.seen.add((owner, function))
            self.waiting.append((owner, function))

    def _made(self, kind: type) -> None:
        if _ours(kind) and kind is not Ports and kind not in self.classes:
            self.classes.add(kind)
            self.enter(kind, kind.__dict__.get("__init__"))
            for name in self.unresolved:
                self._method(kind, name)

    def _method(self, kind: type, name: str) -> None:
        method = inspect.getattr_static(kind, name, None)
        if isinstance(method, FunctionType):
            self.enter(kind, method)

    def finished(self) -> set[str]:
        while self.waiting:
            owner, function = self.waiting.pop()
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
            names = {**function.__globals__, **dict(_imported(tree))}
            for node in ast.walk(tree):
                if isinstance(node, ast.Name) and node.id in names:
                    self.enter(None, names[node.id])
                elif isinstance(node, ast.Attribute):
                    self._attribute(owner, node, names)
        return self.found

    def _attribute(self, owner: type | None, node: ast.Attribute, names: dict[str, Any]) -> None:
        holder = ast.unparse(node.value)
        if holder.rpartition(".")[2] == "ports" and node.attr in FIELDS:
            self.found.add(node.attr)
        elif holder == "self" and owner is not None:
            self.enter(owner, inspect.getattr_static(owner, node.attr, None))
        elif isinstance(module := names.get(holder), ModuleType):
            self.enter(None, getattr(module, node.attr, None))
        elif node.attr not in self.unresolved:
            self.unresolved.add(node.attr)
            for kind in tuple(self.classes):
                self._method(kind, node.attr)


def _ours(target: FunctionType | type) -> bool:
    """Written in our package; what msgspec and dataclasses generate has no source."""
    generated = isinstance(target, FunctionType) and target.__code__.co_filename[:1] == "<"
    return not generated and target.__module__.startswith("twinguard")


def _imported(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """What a function imports by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            for alias in node.names:
                yield alias.asname or alias.name, getattr(module, alias.name, None)
