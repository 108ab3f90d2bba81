# SPDX-License-Identifier: Apache-2.0
"""`make env-check`: compare the environment files with the policies, and name every difference.

Changes nothing, and shows no value of a secret. Writing is in `env.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.structs import asdict, replace
from rich.text import Text

from twinguard import config
from twinguard.cli import scale_output as output
from twinguard.cli.env import FOLDER, POLICIES, Folder, From, Policies, exiting, resolver
from twinguard.env_files import files, sealed
from twinguard.env_files.compare import Difference, differences, of_names
from twinguard.env_files.layout import FILES
from twinguard.env_files.text import parse
from twinguard.env_files.values import Value, sections
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.policy import Environment, Policy
from twinguard.secret_text import SecretText

SAME, DIFFERENT, _, UNCHECKED = range(4)


class Checked(Struct, frozen=True, kw_only=True):
    """One file: what differs, and what could not be looked at."""

    environment: Environment
    file: str
    is_there: bool = True
    differences: tuple[Difference, ...] = ()
    unchecked: tuple[str, ...] = ()


def main(
    *,
    env: Annotated[str, typer.Option(help="One environment; if left out, all with a file.")] = "",
    source: Annotated[
        From | None, typer.Option("--from", help="Compare secrets too: with secrets or shell.")
    ] = None,
    folder: Folder = FOLDER,
    policies: Policies = POLICIES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Compare .env/.env.* with the policies: names, order, values, and who can read the file.

    Exit codes: 0 all the same, 1 something differs, 2 wrong usage or policy, 3 something could not
    be checked."""
    with exiting():
        wanted = [config.environment_named(env)] if env else list(Environment)
        found = [_checked(_loaded(policies, each), folder.absolute(), source) for each in wanted]
    if env and not found[0].is_there:
        lost = Difference("", f"missing; write it: make env ENV={found[0].environment}")
        found = [replace(found[0], differences=(lost,))]
    if as_json:
        output.print_json({"files": [_document(each) for each in found]})
    else:
        _print(found)
    if any(each.differences for each in found):
        raise typer.Exit(DIFFERENT)
    raise typer.Exit(UNCHECKED if any(each.unchecked for each in found) else SAME)


def _loaded(policies: Path, environment: Environment) -> Policy:
    return config.load(policies / environment.value / "policy.yaml")


def _checked(policy: Policy, folder: Path, source: From | None) -> Checked:
    environment = policy.environment
    expected = tuple(value for _, held in sections(policy) for value in held)
    path = folder / FILES[environment]
    named = Checked(environment=environment, file=f"{folder.name}/{path.name}")
    stored = files.read(path)
    if stored is None:
        return replace(named, is_there=False)
    odd = [] if stored.is_private else [Difference("", "others can read it; write it anew")]
    data = stored.data
    if environment is Environment.PRODUCTION and not sealed.is_sealed(data):
        odd.append(Difference("", "not encrypted; write it anew: make env ENV=production"))
    try:
        if sealed.is_sealed(data):
            data = sealed.decrypt(data, path, os.environ)
        lines = parse(data, named.file)
    except Unavailable as err:
        odd += of_names([value.name for value in expected], sealed.names(data))
        return replace(named, differences=tuple(odd), unchecked=(f"values: {err}",))
    except Misconfigured as err:
        return replace(named, differences=(*odd, Difference("", str(err))))
    secrets, unchecked = _secrets(policy, expected, source)
    odd += differences(expected, lines, secrets)
    return replace(named, differences=tuple(odd), unchecked=unchecked)


def _secrets(
    policy: Policy, expected: Sequence[Value], source: From | None
) -> tuple[dict[str, SecretText], tuple[str, ...]]:
    """What the secrets are to be, and the names of those that cannot be had."""
    known: dict[str, SecretText] = {}
    if source is None or source is From.TEMPLATE:
        return known, ()
    resolve, gaps = resolver(policy, source, os.environ), []
    for value in expected:
        if value.reference is not None:
            try:
                known[value.name] = resolve(value.reference).value
            except TwinguardError as err:
                gaps.append(f"{value.name}: {err}")
    return known, tuple(gaps)


def _print(found: Sequence[Checked]) -> None:
    if not any(each.is_there or each.differences for each in found):
        output.say("There is no environment file yet; write one: make env ENV=development")
    for each in found:
        if each.differences:
            shown = output.table(f"{each.file} differs", "Variable", "What", "Policy", "File")
            for one in each.differences:
                texts = (one.name or "the file", one.what, one.expected or "", one.found or "")
                shown.add_row(*(Text(text) for text in texts))
            output.console().print(shown)
        elif each.is_there and not each.unchecked:
            output.say(f"{each.file} is what the policy says.")
        for gap in each.unchecked:
            output.say(f"{each.file}: not checked: {gap}")


def _document(each: Checked) -> dict[str, object]:
    return {
        "environment": each.environment.value,
        "file": each.file,
        "is_there": each.is_there,
        "differences": [asdict(one) for one in each.differences],
        "unchecked": list(each.unchecked),
    }


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
