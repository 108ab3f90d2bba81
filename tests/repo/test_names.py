# SPDX-License-Identifier: Apache-2.0
"""What a document names exists: files, modules, entry points, topics, targets, keys, settings.

A name is what stands in backticks or in a picture and looks like one; words are left alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from twinguard.cli import reference_commands, site_pictures

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/*.md", "terraform/**/README.md")
    for path in ROOT.glob(pattern)
)
FOLDERS = ("functions", "scripts", "terraform", "environments", "tests", ".github", ".ci")
FILES = [
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.is_file()
    and path != Path(__file__)
    and not {"__pycache__", ".terraform", "axe", "vendor"} & set(path.parts)
]
NAMES = {path.name for path in [*FILES, *ROOT.iterdir(), *(ROOT / "docs").rglob("*")]}
SOURCE = "\n".join(
    path.read_text(errors="ignore")
    for path in [*FILES, ROOT / "Makefile", ROOT / "pyproject.toml"]
    if path.suffix in {".py", ".tf", ".hcl", ".yaml", ".yml", ".json", ".lua", ".sql", ".toml", ""}
    and path.stat().st_size < 1_000_000
)
WORDS = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", SOURCE))
MODULES = {
    ".".join(path.relative_to(ROOT / "functions" / "twinguard").with_suffix("").parts)
    for path in (ROOT / "functions" / "twinguard").rglob("*.py")
} | {path.name for path in (ROOT / "functions" / "twinguard").iterdir() if path.is_dir()}
TARGETS = {one.name for one in reference_commands.targets((ROOT / "Makefile").read_text())}
TOPICS = {
    *re.findall(r'name += "\$\{[^"]*\}-([a-z-]+)"', SOURCE),
    *re.findall(r"([a-z-]+) = ", re.search(r"_topics += \{(.*?)\}", SOURCE)[1]),
}
SCHEMA = json.loads((ROOT / "environments" / "policy.schema.json").read_text())["$defs"]

PATH = re.compile(r"(?:\.\./)*\.?[\w<>*{},-]+(?:/[\w.<>*{},-]+)+/?")
FILE = re.compile(r"[\w-]+\.(?:py|lua|sql|tf|md|hcl|toml|yml|yaml)")
SNAKE = re.compile(r"_?[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
UPPER = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
CAMEL = re.compile(r"[A-Z][a-z]+(?:[A-Z][A-Za-z]*)+")
DOTTED = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")

OUTSIDE = {
    *("uv.lock", "unsafe-eval", "backend_override.tf"),
    *("api.all.read", "request.state.rate_limit", "GOOGLE_PUBSUB_CUSTOM_ENDPOINT"),
    *("client.api_key", "client_version", "is_fixed"),
    *("stream_options.include_usage", "wait_for_function", "sign_in.hash_config"),
}
"""Names that other products gave, and files that are made elsewhere or by hand."""


def exists(name: str) -> bool:
    """Whether something in the repository has this name; True for what is no name."""
    if name in OUTSIDE:
        return True
    if PATH.fullmatch(name):
        first = name.removeprefix("../").split("/")[0]
        return first not in FOLDERS or has_path(name)
    if FILE.fullmatch(name):
        return name in NAMES
    if SNAKE.fullmatch(name) or UPPER.fullmatch(name) or CAMEL.fullmatch(name):
        return name in WORDS
    if DOTTED.fullmatch(name):
        return is_key(name) or name in MODULES or name in SOURCE
    return not KEBAB.fullmatch(name) or name in SOURCE


def has_path(name: str) -> bool:
    pattern = re.sub(r"<\w+>|\{[^}]*\}|…", "*", name.removeprefix("../").rstrip("/"))
    return any(ROOT.glob(pattern)) or any((ROOT / "terraform").glob(f"**/{pattern}"))


def is_key(name: str) -> bool:
    """Whether the policy has this key, from its top or from any block."""
    first, *rest = name.split(".")
    return any(
        first in block.get("properties", {}) and walks(block, [first, *rest])
        for block in SCHEMA.values()
    )


def walks(block: dict, parts: list[str]) -> bool:
    first, *rest = parts
    told = block.get("properties", {}).get(first)
    if told is None:
        return False
    references = re.findall(r"#/\$defs/(\w+)", json.dumps(told))
    return (
        not rest
        or any(walks(SCHEMA[one], rest) for one in references)
        or (
            # a name of somebody's, as secrets.openai-api-key
            "additionalProperties" in told
        )
    )


def in_backticks(text: str) -> list[str]:
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def is_real(part: str) -> bool:
    """Whether a name in a picture is a module, a file, an entry point, a topic, a target."""
    if part.startswith("make "):
        return part.removeprefix("make ") in TARGETS
    if part.startswith("modules/"):
        return (ROOT / "terraform" / part).is_dir()
    ends = {module.rpartition(".")[2] for module in MODULES}
    return part in MODULES or part in ends or part in NAMES or part in TOPICS or part in WORDS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(path):
    wrong = [name for name in in_backticks(path.read_text()) if not exists(name)]

    assert wrong == []


def test_names_of_others_are_still_spoken_of():
    text = "".join(path.read_text() for path in DOCUMENTS)

    assert [name for name in OUTSIDE if f"`{name}`" not in text] == []


def pictures() -> list[tuple[str, site_pictures.Sequence]]:
    return [
        (f"{path.stem} {number}", site_pictures.read(block, path.name))
        for path in sorted((ROOT / "docs").glob("*.md"))
        for number, block in enumerate(
            re.findall(r"```mermaid\n(.*?)```", path.read_text(), re.DOTALL)
        )
    ]


@pytest.mark.parametrize(("name", "picture"), pictures(), ids=lambda value: str(value)[:30])
def test_what_a_picture_names_is_there(name, picture):
    """Below who takes part stands what it is; in messages, what looks like a name."""
    below = [
        part
        for lines in picture.participants.values()
        for line in lines
        for part in line.split(", ")
        if (line != lines[0] or "_" in part) and not part[0].isupper() and part != "or make rotate"
    ]
    said = re.findall(r"[\w.]*[a-z][_.][a-z][\w.]*", site_pictures.words(picture))

    assert [part for part in below if not is_real(part)] == []
    assert [part for part in said if not exists(part)] == []


@pytest.mark.parametrize(
    "name",
    [
        *("functions/twinguard/nothing.py", "nothing.py", "on_budget_alarm", "budget.cap.colour"),
        *("TWINGUARD_NOTHING", "SecurityMiddlewear", "usage-evints", "decide.nothing"),
    ],
)
def test_a_name_that_nothing_has_would_be_seen(name):
    assert not exists(name)
