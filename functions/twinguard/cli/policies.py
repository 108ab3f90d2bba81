# SPDX-License-Identifier: Apache-2.0
"""Check every environment's policy, show them side by side, and refresh what is generated of them.

Changes nothing but `policy.schema.json` and README's table, and those only with `--write`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from twinguard import config
from twinguard.cli.scale_output import table
from twinguard.errors import Misconfigured
from twinguard.policy import Channel, Day, Environment, Policy, Slot, Threshold

REPOSITORY = Path(__file__).resolve().parents[3]
BEGIN, END = "<!-- policies: begin, written by make schema -->", "<!-- policies: end -->"
NONE = "-"
HEADINGS = ("Environment", "Project", "Each month", "People hear at", "Used up", "Asleep", "Alerts")

SHORT_HEADINGS = ("Environment", "Each month", "People hear at", "Used up", "Asleep")
"""What fits a terminal."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One policy file: what it says, or why it is refused."""

    environment: Environment
    path: Path
    policy: Policy | None
    refusal: str = ""


def checked(folder: Path) -> tuple[Checked, ...]:
    """Every environment's policy in a folder like `environments/`."""
    return tuple(_checked(environment, folder) for environment in Environment)


def _checked(environment: Environment, folder: Path) -> Checked:
    path = folder / environment.value / "policy.yaml"
    path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    try:
        return Checked(environment, path, config.load(path))
    except Misconfigured as err:
        return Checked(environment, path, None, str(err))


def strangers(folder: Path) -> tuple[str, ...]:
    """Refusals of folders that hold a policy and are named for no environment."""
    found = sorted(path.parent.name for path in folder.glob("*/policy.yaml"))
    return tuple(
        f"{folder / name}: no environment has this name; choose {', '.join(Environment)}"
        for name in found
        if name not in set(Environment)
    )


# --- as people read it ---------------------------------------------------------------------------


def row(policy: Policy) -> tuple[str, ...]:
    """What an environment gets, one cell for each of `HEADINGS`."""
    return (
        policy.environment.value,
        policy.project.id,
        _each_month(policy),
        _heard_at(policy),
        _used_up(policy),
        _asleep(policy),
        _alerts(policy),
    )


def markdown(policies: tuple[Policy, ...]) -> str:
    """The policies as a Markdown table."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(row(policy) for policy in policies)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _each_month(policy: Policy) -> str:
    if policy.budget is None or policy.budget.amount is None:
        return "no budget"
    return f"{policy.budget.amount:,f} {policy.budget.currency}"


def _heard_at(policy: Policy) -> str:
    if policy.budget is None:
        return NONE
    parts = [_percents(policy.budget.thresholds)] if policy.budget.thresholds else []
    if policy.budget.forecast:
        parts.append(f"forecast {_percents(policy.budget.forecast)}")
    return "; ".join(parts) or NONE


def _percents(thresholds: tuple[Threshold, ...]) -> str:
    return f"{', '.join(f'{threshold.percent:f}' for threshold in thresholds)} %"


def _used_up(policy: Policy) -> str:
    if policy.budget is None or not policy.budget.cap.enabled:
        return NONE
    cap = policy.budget.cap
    effect = "stops" if cap.stop_serving else "goes idle"
    held = any(not t.critical for t in (*policy.services.values(), *policy.subscriptions.values()))
    parts = ["the breaker opens"] if cap.stop_serving else []
    parts += [f"what is not critical {effect}"] if held else []
    parts += ["billing is unlinked"] if cap.unlink_billing else []
    return f"at {cap.percent:f} %: {', '.join(parts) or 'people are told'}"


def _asleep(policy: Policy) -> str:
    schedule = policy.schedule
    if schedule is None:
        return "never"
    count = len(schedule.services) + len(schedule.subscriptions)
    of = len(policy.services) + len(policy.subscriptions)
    times = f"{_slot(schedule.night)} to {_slot(schedule.morning)}"
    return f"{times}, {schedule.time_zone} ({count} of {of} resources)"


def _slot(slot: Slot) -> str:
    return f"{slot.at}{'' if len(slot.days) == len(Day) else f' {_days(slot.days)}'}"


def _days(days: tuple[Day, ...]) -> str:
    """`mon-fri` for days in a row, else each by name."""
    first = list(Day).index(days[0])
    in_a_row = tuple(Day)[first : first + len(days)] == days
    return f"{days[0]}-{days[-1]}" if in_a_row and len(days) > 1 else "/".join(days)


def _alerts(policy: Policy) -> str:
    routes = policy.alerts.routes
    told = []
    for channel in Channel:
        levels = [level for level, channels in routes.items() if channel in channels]
        if levels:
            least = min(levels, key=lambda level: level.rank)
            told.append(f"{channel.value} from {least.value}")
    return ", ".join(told) or NONE


# --- what is generated ---------------------------------------------------------------------------


def readme_with(table: str, readme: str) -> str:
    """README's text with the table between its two marks."""
    between = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(between.findall(readme)) != 1:
        raise Misconfigured(f"README.md: the marks {BEGIN} and {END} must stand there once")
    return between.sub(lambda _: f"{BEGIN}\n{table}\n{END}", readme)


def schema_text() -> str:
    """The JSON schema as `environments/policy.schema.json` holds it."""
    return json.dumps(config.schema(), indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, so that a stop half-way leaves the old one."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 - says what it does


# --- the command ---------------------------------------------------------------------------------


def main(
    *,
    environments: Annotated[
        Path, typer.Option(help="The folder with one folder for each environment.")
    ] = REPOSITORY / "environments",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    table: Annotated[bool, typer.Option(help="Print the Markdown table of README.")] = False,
    write: Annotated[
        bool, typer.Option(help="Rewrite policy.schema.json and README's table.")
    ] = False,
) -> None:
    """Check every policy; exit code 1 if one is refused."""
    found = checked(environments)
    refusals = (*(item.refusal for item in found if item.refusal), *strangers(environments))
    if as_json:
        _print_json(found, refusals)
    elif refusals:
        for refusal in refusals:
            typer.echo(refusal, err=True)
    policies = tuple(item.policy for item in found if item.policy is not None)
    if refusals:
        raise typer.Exit(1)
    if table:
        typer.echo(markdown(policies))
    elif write:
        readme = REPOSITORY / "README.md"
        _write(environments / "policy.schema.json", schema_text())
        _write(readme, readme_with(markdown(policies), readme.read_text(encoding="utf-8")))
        typer.echo("written: environments/policy.schema.json and the table in README.md")
    elif not as_json:
        _print_table(policies)


def _print_json(found: tuple[Checked, ...], refusals: tuple[str, ...]) -> None:
    told = {
        "policies": {
            item.environment.value: json.loads(config.render(item.policy))
            for item in found
            if item.policy is not None
        },
        "refusals": list(refusals),
    }
    typer.echo(json.dumps(told, indent=2, ensure_ascii=False))


def _print_table(policies: tuple[Policy, ...]) -> None:
    made = table(f"{len(policies)} policies, all valid")
    for heading in SHORT_HEADINGS:
        made.add_column(heading, no_wrap=heading == HEADINGS[0], overflow="fold")
    for policy in policies:
        cells = dict(zip(HEADINGS, row(policy), strict=True))
        made.add_row(*(cells[heading] for heading in SHORT_HEADINGS))
    Console().print(made)


if __name__ == "__main__":
    typer.run(main)
