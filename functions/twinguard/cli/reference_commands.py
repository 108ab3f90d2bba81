# SPDX-License-Identifier: Apache-2.0
"""Every make target as tables, from the Makefile: what it does, its variables, how it ends.

What an exit code means stands here; a test compares the codes with those in the commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twinguard.cli.markdown import NONE, table
from twinguard.errors import Misconfigured

_CHANGES = "0 done or planned, 1 something is left to do, 2 wrong usage, 3 no answer"
_DOES = "0 done or planned, 2 wrong usage, 3 no answer"
_TELLS = "0 told, 2 wrong usage, 3 no answer"
_FINDS = "0 nothing found, 1 something found, 2 wrong usage, 3 something could not be checked"
_TOOL = "0 fine, else what the tool ends with"

ENDS = {
    "demo": "0 every promise kept, 1 one broken or it cannot run, 130 stopped",
    "drill": "0 passed, 1 a promise broken, 2 it cannot run, 130 stopped",
    "doctor": (
        "0 healthy, 1 something is broken, 2 wrong usage, 3 something could not be checked, "
        "130 stopped"
    ),
    **dict.fromkeys(("scale-down-staging", "wake", "cost-optimize-dev"), _CHANGES),
    **dict.fromkeys(("rotate", "block-key", "rotations"), _CHANGES),
    **dict.fromkeys(("budget-raise", "budget-rebuild", "unblock"), _DOES),
    **dict.fromkeys(("key-issue", "key-rotate", "key-disable", "key-enable", "key-delete"), _DOES),
    **dict.fromkeys(("holds", "env", "budgets", "keys", "incident", "llm-usage"), _TELLS),
    **dict.fromkeys(("cost-report", "plan-comment"), "0 written, 2 wrong usage, 3 no answer"),
    **dict.fromkeys(("baseline", "running-costs"), "0 told, 2 wrong usage"),
    **dict.fromkeys(("check-resources", "audit-verify", "audit-exposure"), _FINDS),
    "audit": "0 told, 2 wrong usage, 3 something could not be read",
    "env-check": "0 the same, 1 different, 2 wrong usage, 3 something could not be checked",
    "key-check": "0 it works, 1 it does not, 2 wrong usage, 3 no answer",
    "check-costs": "0 there is room, 1 the budget is used up, 2 wrong usage or source, 3 no answer",
    "budget-gate": "0 there is room, 1 used up, 2 likely to end over, 3 nobody can tell",
    "reconcile": "0 they agree, 1 they do not, 2 wrong usage, 3 no answer",
    "batch": "0 done or planned, 1 under way, 2 wrong usage, 3 no answer",
    **dict.fromkeys(
        ("gateway", "dashboard", "security-dashboard"),
        "0 ended by a signal, 2 wrong usage or setting, 3 no answer",
    ),
    "policy-check": "0 all valid, 1 one is refused",
    "bootstrap": "0 done or planned, 1 Terraform failed, 2 wrong usage, 3 no answer",
    "apply": "0 done or not agreed to, 1 Terraform failed, 2 wrong usage, 3 no answer",
    "plan": (
        "0 shown, 1 Terraform failed, 2 wrong usage, or `DRIFT=1` and something would change, "
        "3 no answer"
    ),
    **dict.fromkeys(
        ("validate", "terraform-test", "terraform-lint", "terraform-scan", "workflows-lint"),
        "0 fine, 1 something is wrong, 2 wrong usage, 3 the tool is missing",
    ),
    "secrets-scan": "0 no key, 1 a key, 2 wrong usage, 3 the tool is missing",
    "lock-providers": "0 written or skipped, 1 Terraform failed, 2 wrong usage, 3 no answer",
    "docs": "0 written, 1 a module cannot be read",
    "schema": "0 written, 1 a policy is refused, 2 a document has no place for its list",
    "site": "0 written, 2 a link leads nowhere",
    "e2e": "0 every promise kept, 1 one broken, 2 wrong usage, or something is missing",
    "bench-cap": "0 the cap is kept, 1 it is not",
    "evaluate-detection": "0 measured",
    **dict.fromkeys(("test", "lint", "types", "format", "bench", "lock"), _TOOL),
    **dict.fromkeys(("clean", "help"), "0 done"),
}
"""By target; `make` itself ends with 2 whenever its command does not end with 0."""

_PART = re.compile(r"^# --- (.+?) -+$", re.MULTILINE)
_TARGET = re.compile(r"^(?P<names>[a-z][a-z0-9 -]*):(?!=)(?P<rest>.*)$")
_MACRO = re.compile(r"^(\w+) :?= ((?:.*\\\n)*.*)$", re.MULTILINE)
_NEEDS = re.compile(r"\$\(call needs,(\w+),")
_MAY = re.compile(r"\$\(if \$\((\w+)\)|\$\((ARGS)\)")


@dataclass(frozen=True, slots=True)
class Target:
    """A make target, and the module it runs."""

    name: str
    part: str
    words: str
    needs: tuple[str, ...]
    may: tuple[str, ...]
    module: str


def targets(makefile: str) -> tuple[Target, ...]:
    """What a Makefile offers, in its order."""
    macros = {name: text for name, text in _MACRO.findall(makefile) if "$(if" in text}
    words, recipes, parts = dict[str, str](), dict[str, str](), dict[str, str]()
    part, names = "", list[str]()
    for line in makefile.splitlines():
        if heading := _PART.match(line):
            part = heading[1]
        elif found := _TARGET.match(line):
            names = found["names"].split()
            for name in names:
                parts.setdefault(name, part)
                if " ## " in found["rest"]:
                    words[name] = found["rest"].partition(" ## ")[2]
        elif line.startswith("\t"):
            for name in names:
                recipes[name] = f"{recipes.get(name, '')}\n{line}"
    return tuple(
        _target(name, parts[name], words[name], recipes.get(name, ""), macros) for name in parts
    )


def _target(name: str, part: str, words: str, recipe: str, macros: dict[str, str]) -> Target:
    for macro, text in macros.items():
        recipe = recipe.replace(f"$({macro})", text)
    needs = tuple(dict.fromkeys(_NEEDS.findall(recipe)))
    may = dict.fromkeys(one or other for one, other in _MAY.findall(recipe))
    module = re.search(r"\$\(CLI\)\.(\w+)", recipe)
    return Target(
        name,
        part or "list",
        words,
        needs,
        tuple(variable for variable in may if variable not in needs),
        module[1] if module else "",
    )


def markdown(makefile: str) -> str:
    """A table for each part of the Makefile."""
    found = targets(makefile)
    if (named := {target.name for target in found}) != ENDS.keys():
        wrong = ", ".join(sorted(named ^ ENDS.keys()))
        raise Misconfigured(
            f"{wrong}: say in reference_commands.py how it ends, or remove it there"
        )
    parts = dict.fromkeys(target.part for target in found)
    return "\n\n".join(
        f"## To {part}\n\n"
        + table(
            ("target", "what it does", "needs", "may have", "ends with"),
            [_row(target) for target in found if target.part == part],
        )
        for part in parts
    )


def _row(target: Target) -> tuple[str, ...]:
    words = target.words.partition(": ")[0].partition("; ")[0]
    return (
        f"`make {target.name}`",
        f"{words}.",
        " ".join(f"`{name}`" for name in target.needs) or NONE,
        " ".join(f"`{name}`" for name in target.may) or NONE,
        ENDS[target.name],
    )
