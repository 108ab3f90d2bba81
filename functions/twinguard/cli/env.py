# SPDX-License-Identifier: Apache-2.0
"""`make env ENV=…`: write the application's environment file from policy and secrets.

Says where each value is from and never shows one. Comparing is in `env_check.py`."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from twinguard import config
from twinguard.cli import scale_output as output
from twinguard.env_files import files, sealed
from twinguard.env_files.layout import FILES
from twinguard.env_files.sources import Found, Resolve, SecretManager, from_shell, from_template
from twinguard.env_files.text import render
from twinguard.env_files.values import Value, sections
from twinguard.errors import Misconfigured, TwinguardError
from twinguard.policy import Environment, Policy
from twinguard.secret_text import SecretText

DONE, _, USAGE, UNAVAILABLE = range(4)
REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = REPOSITORY / ".env"
POLICIES = REPOSITORY / "environments"


class From(enum.StrEnum):
    """Where secrets are taken from."""

    SECRETS = "secrets"
    SHELL = "shell"
    TEMPLATE = "template"


Env = Annotated[str, typer.Option(help="The environment: staging, development, …")]
Source = Annotated[
    From,
    typer.Option(
        "--from", help="Secret Manager; variables of the shell; or leave ${…} references."
    ),
]
Folder = Annotated[Path, typer.Option(help="Where the environment files are.")]
Policies = Annotated[
    Path, typer.Option("--environments", help="The folder with one folder for each environment.")
]


def main(
    *,
    env: Env,
    source: Source = From.SECRETS,
    folder: Folder = FOLDER,
    policies: Policies = POLICIES,
) -> None:
    """Write one of .env/.env.*: everything of the policy that the application is told.

    Production's file is only ever written encrypted, by sops. The others can be read by their owner
    alone. Exit codes: 0 written, 2 wrong usage or policy, 3 a secret or sops cannot be had."""
    with exiting():
        policy = config.load(policies / config.environment_named(env).value / "policy.yaml")
        path = folder.absolute() / FILES[policy.environment]
        if policy.environment is Environment.PRODUCTION:
            sealed.program(os.environ)  # before any secret is read
        found = resolved(policy, resolver(policy, source, os.environ))
        _write(policy, path, text_of(policy, found))
        _report(policy, path, found)


def resolver(policy: Policy, source: From, environ: Mapping[str, str]) -> Resolve:
    """What finds the secrets."""
    if source is From.TEMPLATE:
        return from_template
    if source is From.SHELL:
        return from_shell(environ)
    return SecretManager(policy.project.id, environ)


def resolved(policy: Policy, resolve: Resolve) -> dict[str, Found]:
    """Every variable of the file with its value and its origin, in order."""
    values = [value for _, held in sections(policy) for value in held]
    return {value.name: _found(value, resolve) for value in values}


def text_of(policy: Policy, found: Mapping[str, Found]) -> str:
    """The file's text. It holds secrets."""
    return render(
        (comment, [(value.name, found[value.name].value.reveal()) for value in held])
        for comment, held in sections(policy)
    )


@contextmanager
def exiting() -> Iterator[None]:
    """Turn our errors into a message on standard error and an exit code."""
    try:
        yield
    except TwinguardError as err:
        output.complain(str(err))
        raise typer.Exit(USAGE if isinstance(err, Misconfigured) else UNAVAILABLE) from None


def _found(value: Value, resolve: Resolve) -> Found:
    if value.reference is not None:
        return resolve(value.reference)
    return Found(SecretText(value.text), f"policy: {value.at}")


def _write(policy: Policy, path: Path, text: str) -> None:
    if policy.environment is Environment.PRODUCTION:
        files.replace(path, sealed.encrypt(text, policy.env_file, path, os.environ))
    else:
        files.replace(path, text.encode())


def _report(policy: Policy, path: Path, found: Mapping[str, Found]) -> None:
    shown = output.table(f"Written: {path.parent.name}/{path.name}", "Variable", "From")
    for name, value in found.items():
        shown.add_row(name, Text(value.origin))
    output.console().print(shown)
    if policy.environment is Environment.PRODUCTION:
        output.say("It is encrypted; Settings.from_file opens it with the key, and so does sops.")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
