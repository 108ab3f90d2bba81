# SPDX-License-Identifier: Apache-2.0
"""What the runtime changes, Terraform leaves alone: or an apply would undo a night or a cap.

The list comes from the adapters' own calls; one that writes more has to be entered here first."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from planning import ENVIRONMENTS, ROOT
from twinguard.act import cloud_run
from twinguard.decide.model import Mode, Scaling
from twinguard.policy import is_control_plane

ACT = ROOT / "functions" / "twinguard" / "act"
FILES = sorted((ROOT / "terraform").rglob("*.tf"))

READS = ("get_", "list_")
NO_CHANGE = {("pubsub", "publish")}
"""A message changes no setting."""
HOW = {"name", "subscription", "retry", "timeout"}
"""Arguments that say on what, and how, rather than what to."""

SERVICE = "google_cloud_run_v2_service"
TERRAFORM = {
    ("cloud_run", "scaling.scaling_mode"): (SERVICE, "scaling.scaling_mode"),
    ("cloud_run", "scaling.min_instance_count"): (SERVICE, "scaling.min_instance_count"),
    ("cloud_run", "scaling.max_instance_count"): (SERVICE, "scaling.max_instance_count"),
    ("cloud_run", "scaling.manual_instance_count"): (SERVICE, "scaling.manual_instance_count"),
    ("cloud_run", "template.scaling.min_instance_count"): (
        SERVICE,
        "template.scaling.min_instance_count",
    ),
    ("cloud_run", "template.scaling.max_instance_count"): (
        SERVICE,
        "template.scaling.max_instance_count",
    ),
    ("pubsub", "push_config"): ("google_pubsub_subscription", "push_config"),
    ("billing", "billing_account_name"): ("google_project", "billing_account"),
}
"""Where Terraform keeps what an adapter writes."""

BY_GOOGLE = {("google_secret_manager_secret", "rotation.next_rotation_time")}
"""Secret Manager moves it on by itself."""

OTHER_NAMES = {
    "google_billing_project_info": "google_project",
    "google_cloud_run_service": SERVICE,
}
"""Types that hold the same setting under another name: not used, so that this list is whole."""


def written(stem: str, text: str) -> Iterator[tuple[str, str]]:
    """Every field that an adapter's source writes, as its API calls it."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "self._client"
            and not node.func.attr.startswith(READS)
            and (stem, node.func.attr) not in NO_CHANGE
        ):
            arguments = {word.arg: word.value for word in node.keywords if word.arg not in HOW}
            if "update_mask" in arguments:
                yield from ((stem, path) for path in mask_paths(tree))
            else:
                for name, value in arguments.items():
                    yield from ((stem, field) for field in fields(name, value))


def mask_paths(tree: ast.Module) -> list[str]:
    """The values of `_PATHS`."""
    (paths,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PATHS"
    )
    return list(ast.literal_eval(paths).values())


def fields(name: str, value: ast.expr) -> list[str]:
    """The fields of a message that is made in the call itself, else the argument."""
    made = [word.arg for word in value.keywords] if isinstance(value, ast.Call) else []
    return made or [name]


def all_written() -> set[tuple[str, str]]:
    return {item for path in ACT.glob("*.py") for item in written(path.stem, path.read_text())}


def owned() -> dict[str, set[str]]:
    """The attributes that belong to the runtime, by type of resource."""
    found: dict[str, set[str]] = {}
    for kind, attribute in (*TERRAFORM.values(), *BY_GOOGLE):
        found.setdefault(kind, set()).add(attribute)
    return found


def resources(text: str, kind: str) -> dict[str, set[str]]:
    """The resources of a type in a file: what each of them ignores."""
    found = re.findall(rf'(?ms)^resource "{kind}" "(\w+)" \{{\n(.*?)^\}}', text)
    return {label: ignored(body) for label, body in found}


def ignored(body: str) -> set[str]:
    match = re.search(r"ignore_changes\s*=\s*(\[[^=]*?\]\s*$|all\b)", body, re.MULTILINE)
    listed = re.sub(r"#.*|\[\d+\]", "", match[1]) if match else ""
    return set(re.findall(r"[\w.]+", listed))


def covers(ignores: set[str], attribute: str) -> bool:
    parts = attribute.split(".")
    prefixes = {".".join(parts[: end + 1]) for end in range(len(parts))}
    return "all" in ignores or bool(prefixes & ignores)


def unguarded() -> list[tuple[str, str, str, list[str]]]:
    """File, type, label and missing attributes of every resource that ignores too little."""
    found = []
    for path in FILES:
        for kind, attributes in owned().items():
            for label, ignores in resources(path.read_text(), kind).items():
                missing = sorted(a for a in attributes if not covers(ignores, a))
                if missing:
                    found.append((str(path.relative_to(ROOT)), kind, label, missing))
    return found


def test_every_field_that_an_adapter_writes_is_known():
    assert all_written() == set(TERRAFORM)


def test_a_mask_names_nothing_but_the_paths_it_is_made_of():
    low = Scaling()
    high = Scaling(Mode.MANUAL, 1, 2, 3, 4, 5)

    assert set(cloud_run.mask(low, high)) == set(cloud_run._PATHS.values())


@pytest.mark.parametrize(
    ("stem", "old", "new", "field"),
    [
        (
            "cloud_run",
            '    "mode": "scaling.scaling_mode",',
            '    "mode": "scaling.scaling_mode",\n    "image": "template.containers",',
            "template.containers",
        ),
        ("cloud_run", "self._client.get_service(", "self._client.delete_service(x=1, ", "x"),
        (
            "pubsub",
            "push_config=_parsed(value),",
            "push_config=_parsed(value), filter=value,",
            "filter",
        ),
        (
            "billing",
            'ProjectBillingInfo(billing_account_name="")',
            'ProjectBillingInfo(billing_account_name="", labels={})',
            "labels",
        ),
    ],
)
def test_an_adapter_that_writes_one_field_more_is_noticed(stem, old, new, field):
    text = (ACT / f"{stem}.py").read_text()
    assert old in text

    changed = set(written(stem, text.replace(old, new)))

    assert changed - set(TERRAFORM) == {(stem, field)}


def test_the_runtime_is_ignored_or_never_comes_near(workspace):
    """What is not ignored is planned, and by names that the runtime refuses to touch."""
    plans = [workspace.plan(environment) for environment in ENVIRONMENTS]
    assert [plan.refusal for plan in plans if plan.refusal] == []

    wrong = []
    for file, kind, label, missing in unguarded():
        names = {
            str(after.get("name"))
            for plan in plans
            for at, after in plan.of(kind).items()
            if at.partition(f"{kind}.")[2].partition("[")[0] == label
        }
        if not names or not all(is_control_plane(name) for name in names):
            wrong.append(f"{file}: {kind}.{label}: ignore_changes lacks {', '.join(missing)}")

    assert wrong == []


def test_nothing_else_holds_the_same_settings():
    kinds = {kind for path in FILES for kind in re.findall(r'(?m)^resource "(\w+)"', text_of(path))}

    assert kinds & OTHER_NAMES.keys() == set()
    assert "google_project" in kinds


def text_of(path: Path) -> str:
    return path.read_text()


@pytest.mark.parametrize(
    ("body", "attribute", "covered"),
    [
        ("  lifecycle {\n    ignore_changes = [push_config]\n  }", "push_config", True),
        (
            "  lifecycle {\n  ignore_changes = [\n  # why\n  template[0].scaling,\n  ]\n  }",
            "template.scaling.min_instance_count",
            True,
        ),
        ("  lifecycle {\n    ignore_changes = all\n  }", "billing_account", True),
        ("  lifecycle {\n    ignore_changes = [labels]\n  }", "push_config", False),
        ("  lifecycle {\n    ignore_changes = [template[0].scaling]\n  }", "scaling.x", False),
        ("  name = var.name", "push_config", False),
    ],
)
def test_what_is_ignored_is_read_from_the_source(body, attribute, covered):
    text = f'resource "google_x" "y" {{\n{body}\n}}\n'

    (ignores,) = resources(text, "google_x").values()

    assert covers(ignores, attribute) is covered
