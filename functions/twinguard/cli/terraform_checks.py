# SPDX-License-Identifier: Apache-2.0
"""Check the Terraform code: format, validity, style, security, tests. Needs no cloud account.

Works on a copy, so that no state, lock file or provider of a deployment is read or changed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from twinguard.cli import bundle
from twinguard.cli.exits import exiting
from twinguard.cli.terraform import (
    BUNDLE,
    REPOSITORY,
    Answer,
    copy_views,
    folders,
    heard,
    program,
    root_of,
    settings,
)
from twinguard.errors import Misconfigured

TFLINT = REPOSITORY / ".cache" / "tflint" / "0.64.0" / "tflint"
CHECKOV = REPOSITORY / ".cache" / "checkov" / "bin" / "checkov"
"""Where `.ci/run` puts them."""

GOOGLE_RULES = REPOSITORY / ".cache" / "tflint-google" / "0.36.0"
"""Where `.ci/run` puts tflint's rules for Google, which not every machine can get."""

GET_CHECKOV = (
    "python3 -m venv .cache/checkov && .cache/checkov/bin/pip install --require-hashes "
    "-r .ci/requirements-checkov.txt"
)
GOOGLE_RULES_MISSING = (
    "put tflint-ruleset-google into ~/.tflint.d/plugins, from "
    "github.com/terraform-linters/tflint-ruleset-google/releases"
)
EXCEPTIONS = REPOSITORY / ".checkov.yaml"

AT_ONCE = 2
LEFT_OUT = (".terraform", ".terraform.lock.hcl", "*.tfstate*", "*_override.tf")

Env = Annotated[str, typer.Option(help="One environment's root instead of everything.")]

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
@exiting()
def validate(*, env: Env = "") -> None:
    """Check the format and the validity of every module and root."""
    variables = settings()
    unformatted = heard(
        [program(), "fmt", "-check", "-diff", "-recursive", "terraform", "environments"],
        REPOSITORY,
        variables,
    )
    if unformatted.code:
        typer.echo(f"{unformatted.text}\nnot formatted; run: make format", err=True)
        raise typer.Exit(1)
    with _copy() as copy:
        _all(copy, _chosen(copy, env), ["validate", "-no-color"], variables)


@app.command()
@exiting()
def test() -> None:
    """Run the tests of every module and root that has some."""
    with _copy() as copy:
        tested = tuple(path for path in folders(copy) if any(path.glob("tests/*.tftest.hcl")))
        _all(copy, tested, ["test", "-no-color"], settings())


@app.command()
@exiting()
def lint(*, env: Env = "") -> None:
    """Run tflint over every module and root."""
    tflint = _tool(TFLINT, "go install github.com/terraform-linters/tflint@v0.64.0")
    if not tflint:
        return
    command = [tflint, f"--config={REPOSITORY / '.tflint.hcl'}", "--no-color"]
    variables = dict(os.environ)
    own = Path(os.environ.get("TFLINT_PLUGIN_DIR") or Path.home() / ".tflint.d" / "plugins")
    if rules := google_rules((GOOGLE_RULES, own)):
        command.append("--enable-plugin=google")
        variables["TFLINT_PLUGIN_DIR"] = str(rules)
    else:
        typer.echo(f"without tflint's rules for Google: {GOOGLE_RULES_MISSING}")
    with _copy() as copy:
        _each(copy, _chosen(copy, env), lambda folder: heard(command, folder, variables))


@app.command()
@exiting()
def scan() -> None:
    """Run checkov's security checks over the modules."""
    checkov = _tool(CHECKOV, GET_CHECKOV)
    if not checkov:
        return
    with _copy() as copy:
        answer = scanned(checkov, copy, ["--framework", "terraform", "--directory", "terraform"])
    result = re.search(r"Passed checks: [1-9]\d*, .*", answer.text)
    if answer.code or not result:
        typer.echo(answer.text or "checkov checked nothing", err=True)
        raise typer.Exit(1)
    typer.echo(f"terraform: {result[0]}")


def google_rules(places: Iterable[Path]) -> Path | None:
    """The first of these folders that holds tflint's plugin for Google."""
    names = ("tflint-ruleset-google", "tflint-ruleset-google.exe")
    return next((p for p in places if any((p / name).is_file() for name in names)), None)


def scanned(checkov: str, folder: Path, arguments: Iterable[str]) -> Answer:
    """What checkov says in a folder, with our exceptions."""
    env = {**os.environ, "LOG_LEVEL": "ERROR"}
    return heard([checkov, "--config-file", str(EXCEPTIONS), *arguments], folder, env)


def _tool(path: Path, remedy: str) -> str:
    """The program at a path of ours or on PATH; empty, and said, where there is none."""
    if path.is_file():
        return str(path)
    if found := shutil.which(path.name):
        return found
    told = f"{path.name} is missing: {remedy}"
    if os.environ.get("TWINGUARD_NO_SKIPS") == "1":
        raise Misconfigured(told)
    typer.echo(f"skipped: {told}")
    return ""


def _chosen(copy: Path, env: str) -> tuple[Path, ...]:
    return (root_of(copy, env),) if env else folders(copy)


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="twinguard-terraform-") as folder:
        for name in ("terraform", "environments"):
            shutil.copytree(
                REPOSITORY / name, Path(folder, name), ignore=shutil.ignore_patterns(*LEFT_OUT)
            )
        copy_views(REPOSITORY, Path(folder))
        bundle.build(REPOSITORY / "functions", Path(folder, BUNDLE))
        yield Path(folder)


def _all(copy: Path, chosen: tuple[Path, ...], arguments: list[str], env: dict[str, str]) -> None:
    """Initialise the folders one after another (the plugin cache wants that), then run."""
    for folder in chosen:
        command = [program(), "init", "-backend=false", "-input=false", "-no-color"]
        answer = heard(command, folder, env)
        if answer.code:
            typer.echo(f"{folder.relative_to(copy)}: init failed\n{answer.text}", err=True)
            raise typer.Exit(1)
    _each(copy, chosen, lambda folder: heard([program(), *arguments], folder, env))


def _each(copy: Path, chosen: tuple[Path, ...], run: Callable[[Path], Answer]) -> None:
    """One line for each folder; everything it printed where it failed."""
    if not chosen:
        raise Misconfigured("no Terraform folder was found; is this the whole repository?")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = tuple(pool.map(run, chosen))
    for folder, answer in zip(chosen, answers, strict=True):
        name = folder.relative_to(copy)
        if answer.code:
            typer.echo(f"{name}: FAILED\n{answer.text}", err=True)
        else:
            typer.echo(f"{name}: {(answer.text.strip().splitlines() or ['ok'])[-1]}")
    if any(answer.code for answer in answers):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
