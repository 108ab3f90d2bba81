# SPDX-License-Identifier: Apache-2.0
"""Run Terraform: where its folders are, with which settings it runs, and what it answered.

Decides nothing; `deploy.py` changes the world with it, `terraform_checks.py` only looks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from twinguard import config
from twinguard.errors import Misconfigured

REPOSITORY = Path(__file__).resolve().parents[3]
MIRROR = REPOSITORY / ".ci" / "terraform-mirror"
BUNDLE = Path(".cache", "bundle")
"""Where the environments look for the zip of the functions, from the repository's root."""

VIEWS = Path("functions", "twinguard", "billing", "costs.sql")
"""The one file of the functions that a module reads: the view over the billing export."""

PLUGINS = REPOSITORY / ".cache" / "terraform-plugins"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended, and all it printed."""

    code: int
    text: str


def folders(repository: Path) -> tuple[Path, ...]:
    """Every folder that Terraform runs in: the modules, the bootstrap, the environments."""
    found = (*repository.glob("terraform/**/versions.tf"), *repository.glob("environments/*/*.tf"))
    hidden = {".terraform"}
    return tuple(sorted({path.parent for path in found if not hidden & set(path.parts)}))


def root_of(repository: Path, name: str) -> Path:
    """The root of an environment, by its name or a short form of it."""
    environment = config.environment_named(name)
    folder = repository / "environments" / environment.value
    if not (folder / "main.tf").is_file():
        raise Misconfigured(
            f"{environment.value} has no main.tf: nothing of it runs in the cloud; "
            "choose production, staging, development or ci"
        )
    return folder


def copy_views(repository: Path, copy: Path) -> None:
    """Put the file that a module reads into a copy of the Terraform folders."""
    (copy / VIEWS).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(repository / VIEWS, copy / VIEWS)


def program() -> str:
    """Where terraform is."""
    if path := shutil.which("terraform"):
        return path
    raise Misconfigured(
        "terraform is missing: install 1.11 or newer from developer.hashicorp.com/terraform/install"
    )


def settings() -> dict[str, str]:
    """The environment that Terraform runs in; the plugin cache only where a registry is used."""
    chosen = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    done = subprocess.run(  # noqa: S603 - a file of this repository
        [str(MIRROR)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Misconfigured(f".ci/terraform-mirror failed: {done.stderr.strip()}")
    if path := done.stdout.strip():
        return chosen | {"TF_CLI_CONFIG_FILE": path}
    PLUGINS.mkdir(parents=True, exist_ok=True)
    return {"TF_PLUGIN_CACHE_DIR": str(PLUGINS), **chosen}


def heard(command: Iterable[str], folder: Path, env: dict[str, str]) -> Answer:
    """Run a command quietly in a folder; whatever it leaves behind (tflint's plugin) goes too."""
    process = subprocess.Popen(  # noqa: S603 - commands are ours
        [*command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        text, _ = process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return Answer(process.returncode, text)


def seen(command: Iterable[str], folder: Path, env: dict[str, str]) -> int:
    """Run a command of Terraform before the user's eyes, in colours only where there are eyes."""
    called, verb, *words = command
    plain = () if sys.stdout.isatty() else ("-no-color",)
    told = [called, verb, *plain, *words]
    return subprocess.run(told, cwd=folder, env=env, check=False).returncode  # noqa: S603
