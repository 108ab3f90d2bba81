# SPDX-License-Identifier: Apache-2.0
"""Check the Terraform code: format, validity, style, tests. Needs no cloud account.

Works on a copy, so that no state, lock file or provider of a deployment is read or changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import typer

from twinguard.cli import bundle
from twinguard.cli.terraform import BUNDLE, REPOSITORY, Answer, folders, heard, program, settings
from twinguard.errors import Misconfigured

TFLINT = REPOSITORY / ".cache" / "tflint" / "0.64.0" / "tflint"
"""Where `.ci/run` builds it."""

AT_ONCE = 2
LEFT_OUT = (".terraform", ".terraform.lock.hcl", "*.tfstate*", "*_override.tf")

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def validate() -> None:
    """Check the format and the validity of every module and root."""
    env = settings()
    unformatted = heard(
        [program(), "fmt", "-check", "-diff", "-recursive", "terraform", "environments"],
        REPOSITORY,
        env,
    )
    if unformatted.code:
        typer.echo(f"{unformatted.text}\nnot formatted; run: make format", err=True)
        raise typer.Exit(1)
    with _copy() as copy:
        _all(copy, folders(copy), ["validate", "-no-color"], env)


@app.command()
def test() -> None:
    """Run the tests of every module and root that has some."""
    with _copy() as copy:
        tested = tuple(path for path in folders(copy) if any(path.glob("tests/*.tftest.hcl")))
        _all(copy, tested, ["test", "-no-color"], settings())


@app.command()
def lint() -> None:
    """Run tflint over every module and root."""
    tflint = str(TFLINT) if TFLINT.is_file() else shutil.which("tflint")
    if not tflint:
        told = "tflint is missing: go install github.com/terraform-linters/tflint@v0.64.0"
        if os.environ.get("TWINGUARD_NO_SKIPS") == "1":
            raise Misconfigured(told)
        typer.echo(f"skipped: {told}")
        return
    command = [tflint, f"--config={REPOSITORY / '.tflint.hcl'}", "--no-color"]
    with _copy() as copy:
        _each(copy, folders(copy), lambda folder: heard(command, folder, dict(os.environ)))


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="twinguard-terraform-") as folder:
        for name in ("terraform", "environments"):
            shutil.copytree(
                REPOSITORY / name, Path(folder, name), ignore=shutil.ignore_patterns(*LEFT_OUT)
            )
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
