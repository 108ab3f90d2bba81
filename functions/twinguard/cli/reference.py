# SPDX-License-Identifier: Apache-2.0
"""Keep what the documents list fresh: policy keys, commands, signals, settings, decisions.

Each list stands between two marks in its document; words around them are people's."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli import reference_commands, reference_policy, reference_signals, running_costs
from twinguard.cli.exits import exiting
from twinguard.cli.fresh import kept_fresh
from twinguard.cli.markdown import table
from twinguard.errors import Misconfigured
from twinguard.policy import Environment, Policy

REPOSITORY = Path(__file__).resolve().parents[3]
BEGIN, END = "<!-- reference: begin, written by make schema -->", "<!-- reference: end -->"
_BETWEEN = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
_DESCRIBED = re.compile(r"^\| `([A-Z][A-Z0-9_]+)` \|.*\|$", re.MULTILINE)


def fresh(repository: Path) -> dict[Path, str]:
    """The documents with lists, as they are to be."""
    return {
        path: _with(path, text(repository))
        for name, text in LISTS.items()
        for path in [repository / "docs" / name]
    }


def _with(path: Path, text: str) -> str:
    document = path.read_text(encoding="utf-8")
    if len(_BETWEEN.findall(document)) != 1:
        raise Misconfigured(f"{path.name}: the marks {BEGIN} and {END} must stand there once")
    return _BETWEEN.sub(lambda _: f"{BEGIN}\n{text}\n{END}", document)


def _policies(repository: Path) -> tuple[Policy, ...]:
    folder = repository / "environments"
    return tuple(config.load(folder / one.value / "policy.yaml") for one in Environment)


def _policy(repository: Path) -> str:
    return reference_policy.markdown(_policies(repository))


def _running_costs(repository: Path) -> str:
    return running_costs.markdown(_policies(repository))


def _commands(repository: Path) -> str:
    return reference_commands.markdown((repository / "Makefile").read_text(encoding="utf-8"))


def _settings(repository: Path) -> str:
    """Each setting with the files that name it."""
    document = (repository / "docs" / "settings.md").read_text(encoding="utf-8")
    described = set(_DESCRIBED.findall(_BETWEEN.sub("", document)))
    readers = dict[str, set[str]]()
    for place, node in reference_signals.nodes(repository / "functions"):
        if isinstance(node, ast.Constant) and node.value in described:
            readers.setdefault(str(node.value), set()).add(place)
    rows = [
        (f"`{name}`", ", ".join(f"`{place}`" for place in sorted(readers.get(name, ()))) or "tests")
        for name in sorted(described)
    ]
    return table(("variable", "named in"), rows)


def _decisions(repository: Path) -> str:
    lines = []
    for path in sorted((repository / "docs" / "adr").glob("*.md")):
        title, _, rest = path.read_text(encoding="utf-8").partition("\n")
        status = re.search(r"^## Status\n+(.+)$", rest, re.MULTILINE)
        lines.append(
            (f"[{title.removeprefix('# ')}](adr/{path.name})", status[1] if status else "")
        )
    return table(("decision", "status"), lines)


LISTS: Mapping[str, Callable[[Path], str]] = {
    "reference-policy.md": _policy,
    "reference-commands.md": _commands,
    "reference-signals.md": reference_signals.markdown,
    "settings.md": _settings,
    "decisions.md": _decisions,
    "running-costs.md": _running_costs,
}


def main(
    *, write: Annotated[bool, typer.Option(help="Rewrite the lists; otherwise compare.")] = False
) -> None:
    """Keep the lists in the documents fresh; exit code 1 if one is not, 2 if one has no place."""
    with exiting():
        texts = fresh(REPOSITORY)
    kept_fresh(texts, REPOSITORY, "is not what the code says: make schema", write=write)


if __name__ == "__main__":
    typer.run(main)
