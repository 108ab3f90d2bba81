# SPDX-License-Identifier: Apache-2.0
"""Write each module's inputs and outputs into its README, from its own files.

Reads formatted files only and refuses what it does not know, rather than leave something out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from twinguard.cli.fresh import kept_fresh
from twinguard.cli.terraform import REPOSITORY
from twinguard.errors import Misconfigured

BEGIN, END = "<!-- terraform: begin, written by make docs -->", "<!-- terraform: end -->"

LONGEST_TYPE = 400
"""A longer one is better read where it is written."""

_BLOCK = re.compile(
    r'(?ms)^(?P<kind>variable|output) "(?P<name>[a-z][a-z0-9_]*)" \{\n(?P<body>.*?)^\}$'
)
_START = re.compile(r"(?m)^\s*(?:variable|output)\b.*")
_NESTED = re.compile(r"(?ms)^  (?:validation|precondition) \{\n.*?^  \}$")
_ARGUMENT = re.compile(r"(?m)^  (?P<name>[a-z_]+) += (?P<value>.*(?:\n(?:    .*|  [)\]}].*))*)$")
_COMMENT = re.compile(r"(?m)^ *#.*$")
_KNOWN = {
    "variable": {"default", "description", "ephemeral", "nullable", "sensitive", "type"},
    "output": {"depends_on", "description", "ephemeral", "sensitive", "value"},
}


@dataclass(frozen=True, slots=True)
class Block:
    """A variable or an output: its name and its arguments as they are written."""

    kind: str
    name: str
    arguments: dict[str, str]

    @property
    def description(self) -> str:
        """What it is for, without its quotes."""
        text = self.arguments.get("description", "")
        if not re.fullmatch(r'"(?:[^"\\]|\\.)+"', text):
            raise Misconfigured(f'{self.kind} {self.name}: write description = "One sentence."')
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])


def blocks(text: str, source: str) -> tuple[Block, ...]:
    """The variables and outputs of a formatted file, in their order."""
    if missed := _START.search(_BLOCK.sub("", text)):
        raise _unreadable(source, missed[0])
    found = []
    for block in _BLOCK.finditer(text):
        body = _NESTED.sub("", block["body"])
        where = f"{source}: {block['kind']} {block['name']}"
        if rest := _COMMENT.sub("", _ARGUMENT.sub("", body)).strip():
            raise _unreadable(where, rest.partition("\n")[0])
        arguments = {item["name"]: item["value"] for item in _ARGUMENT.finditer(body)}
        if strange := arguments.keys() - _KNOWN[block["kind"]]:
            raise Misconfigured(f"{where}: {', '.join(sorted(strange))} is not known here; fix it")
        found.append(Block(block["kind"], block["name"], arguments))
    return tuple(found)


def _unreadable(where: str, line: str) -> Misconfigured:
    return Misconfigured(
        f"{where}: cannot read {line.strip()!r}; run `make format`, and keep to the style of the "
        "other modules"
    )


def tables(module: Path) -> str:
    """The inputs and outputs of a module as Markdown."""
    found = _read(module)
    inputs = [item for item in found if item.kind == "variable"]
    outputs = [item for item in found if item.kind == "output"]
    lines = ["| input | type | default | meaning |", "| --- | --- | --- | --- |"]
    for item in inputs:
        default = item.arguments.get("default")
        told = f"`{_cell(default)}`" if default is not None else "needed"
        kind = _cell(item.arguments.get("type", "any"))
        kind = kind if len(kind) <= LONGEST_TYPE else f"{kind.partition('(')[0]}(…)"
        lines.append(f"| `{item.name}` | `{kind}` | {told} | {_cell(item.description)} |")
    if outputs:
        lines += ["", "| output | meaning |", "| --- | --- |"]
        lines += [f"| `{item.name}` | {_cell(item.description)} |" for item in outputs]
    return "\n".join(lines)


def _read(module: Path) -> tuple[Block, ...]:
    found = (
        block
        for path in module.glob("*.tf")
        for block in blocks(path.read_text(encoding="utf-8"), f"{module.name}/{path.name}")
    )
    return tuple(sorted(found, key=lambda block: block.name))


def _cell(text: str) -> str:
    """An expression or a sentence on one line, safe in a table."""
    joined = ""
    for line in (line.strip() for line in text.splitlines()):
        ends = joined.endswith(("(", "[", "{"))
        if joined and not ends and not joined.endswith(",") and line[0] not in ")]}":
            joined += ","
        joined = joined.rstrip(",") if line[0] in ")]}" else joined
        joined += f" {line}" if joined else line
    tight = re.sub(r"(?<=[(\[]) +| +(?=[)\]])", "", re.sub(r" +", " ", joined))
    return tight.replace("|", "\\|")


def documented(module: Path) -> str:
    """The module's README with its tables fresh; they are added where the marks are missing."""
    path = module / "README.md"
    if not path.is_file():
        raise Misconfigured(f"{path} is missing; say in its first sentence what the module is for")
    readme = path.read_text(encoding="utf-8")
    fresh = f"{BEGIN}\n{tables(module)}\n{END}"
    between = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if between.search(readme):
        return between.sub(lambda _: fresh, readme)
    return f"{readme.rstrip()}\n\n## Inputs and outputs\n\n{fresh}\n"


def modules(repository: Path) -> tuple[Path, ...]:
    """Everything with inputs of its own."""
    return tuple(sorted(path.parent for path in repository.glob("terraform/**/variables.tf")))


def main(
    *, write: Annotated[bool, typer.Option(help="Rewrite the READMEs; otherwise compare.")] = False
) -> None:
    """Keep the tables in the modules' READMEs fresh; exit code 1 if one is not."""
    texts = {module / "README.md": documented(module) for module in modules(REPOSITORY)}
    kept_fresh(texts, REPOSITORY, "is not what the module says: make docs", write=write)


if __name__ == "__main__":
    typer.run(main)
