# SPDX-License-Identifier: Apache-2.0
"""Plan and apply an environment, set up where its state is kept, lock the providers.

Never applies what was not shown first; without `--apply` a person has to say yes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli import bundle
from twinguard.cli.exits import exiting
from twinguard.cli.terraform import (
    BUNDLE,
    REPOSITORY,
    folders,
    heard,
    program,
    root_of,
    seen,
    settings,
)

BOOTSTRAP = REPOSITORY / "terraform" / "bootstrap"
LOCAL_STATE = REPOSITORY / ".cache" / "bootstrap.tfstate"
"""The bootstrap's state while its bucket does not exist yet."""

PLAN = ".terraform/plan"
UNCHANGED, CHANGED = 0, 2
"""What `terraform plan -detailed-exitcode` says with its exit code."""

PLATFORMS = ("darwin_amd64", "darwin_arm64", "linux_amd64", "linux_arm64", "windows_amd64")

app = typer.Typer(add_completion=False, no_args_is_help=True)

Env = Annotated[str, typer.Option(help="production, staging, development or ci.")]
State = Annotated[str, typer.Option(help="Bucket of the state, where the root names none.")]
Apply = Annotated[bool, typer.Option(help="Carry out the plan without asking.")]


@app.command()
@exiting()
def plan(
    *,
    env: Env,
    state: State = "",
    drift: Annotated[bool, typer.Option(help="End with 2 where anything would change.")] = False,
) -> None:
    """Show what applying an environment would change."""
    folder, variables = _root(env), settings()
    _prepared(folder, state, variables)
    if _planned(folder, [], variables) == CHANGED:
        typer.echo(f"\nNothing was changed; make apply ENV={folder.name} carries this out.")
        if drift:
            raise typer.Exit(CHANGED)


@app.command()
@exiting()
def apply(*, env: Env, state: State = "", apply: Apply = False) -> None:
    """Show the plan of an environment, then carry it out."""
    folder, variables = _root(env), settings()
    _prepared(folder, state, variables)
    _carried_out(folder, [], variables, agreed=apply)


@app.command()
@exiting()
def bootstrap(
    *,
    project: Annotated[str, typer.Option(help="Id of the seed project.")],
    region: Annotated[str, typer.Option(help="Where the bucket lies.")] = "europe-west1",
    apply: Apply = False,
) -> None:
    """Create the bucket of the state and move the bootstrap's own state into it."""
    variables = settings()
    inputs = [f"-var=project_id={project}", f"-var=region={region}"]
    init = [
        *(program(), "init", "-input=false", "-no-color"),
        f"-backend-config=bucket={project}-terraform-state",
    ]
    if not LOCAL_STATE.exists():
        answer = heard([*init, "-reconfigure"], BOOTSTRAP, variables)
        if answer.code == 0:
            _carried_out(BOOTSTRAP, inputs, variables, agreed=apply)
            return
        if not _bucket_is_missing(answer.text):
            typer.echo(answer.text, err=True)
            raise typer.Exit(1)
    if _made_with_local_state(inputs, variables, agreed=apply):
        _must([*init, "-migrate-state", "-force-copy"], BOOTSTRAP, variables)
        LOCAL_STATE.rename(LOCAL_STATE.with_suffix(".migrated"))
        typer.echo(f"The state now lies in gs://{project}-terraform-state/bootstrap.")


@app.command("lock")
@exiting()
def lock_providers() -> None:
    """Write the providers' checksums for all platforms into each root's lock file."""
    variables = settings()
    if mirror := variables.get("TF_CLI_CONFIG_FILE"):
        typer.echo(f"skipped: providers come from {mirror}; lock them where their registry answers")
        return
    for folder in folders(REPOSITORY):
        if "modules" not in folder.parts:
            platforms = [f"-platform={platform}" for platform in PLATFORMS]
            _must([program(), "providers", "lock", *platforms], folder, variables)


def _root(name: str) -> Path:
    """An environment's folder, its policy checked: Terraform's own words name no key of it."""
    folder = root_of(REPOSITORY, name)
    config.load(folder / "policy.yaml")
    return folder


def _prepared(folder: Path, state: str, variables: dict[str, str]) -> None:
    """The zip that the plan reads, and the folder's providers and state."""
    bundle.build(REPOSITORY / "functions", REPOSITORY / BUNDLE)
    bucket = [f"-backend-config=bucket={state}"] if state else []
    _must([program(), "init", "-input=false", *bucket], folder, variables)


def _planned(folder: Path, inputs: list[str], variables: dict[str, str]) -> int:
    command = [program(), "plan", "-input=false", "-detailed-exitcode", f"-out={PLAN}", *inputs]
    code = seen(command, folder, variables)
    if code not in {UNCHANGED, CHANGED}:
        raise typer.Exit(1)
    return code


def _carried_out(
    folder: Path, inputs: list[str], variables: dict[str, str], *, agreed: bool
) -> bool:
    """True once the world is as planned; False where nobody agreed to change it."""
    if _planned(folder, inputs, variables) == UNCHANGED:
        return True
    if not (agreed or _says_yes()):
        typer.echo("\nNothing was changed; APPLY=1 carries this plan out.")
        return False
    _must([program(), "apply", "-input=false", PLAN], folder, variables)
    return True


def _says_yes() -> bool:
    return sys.stdin.isatty() and input("\nCarry this plan out? Only yes will do: ") == "yes"


def _made_with_local_state(inputs: list[str], variables: dict[str, str], *, agreed: bool) -> bool:
    """Create the bucket with its state on this machine; a stop half-way is taken up again."""
    LOCAL_STATE.parent.mkdir(exist_ok=True)
    over = BOOTSTRAP / "backend_override.tf"
    over.write_text(f'terraform {{\n  backend "local" {{\n    path = "{LOCAL_STATE}"\n  }}\n}}\n')
    try:
        _must([program(), "init", "-input=false", "-reconfigure"], BOOTSTRAP, variables)
        return _carried_out(BOOTSTRAP, inputs, variables, agreed=agreed)
    finally:
        over.unlink()


def _bucket_is_missing(text: str) -> bool:
    told = " ".join(text.replace("│", " ").split()).lower()
    return "bucket doesn't exist" in told or "bucket does not exist" in told


def _must(command: list[str], folder: Path, variables: dict[str, str]) -> None:
    if seen(command, folder, variables):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
