# SPDX-License-Identifier: Apache-2.0
"""Programs of an environment besides its functions: started, killed and started again.

Each has a group of its own, and none outlives us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from servers import PATIENCE, answers_http, answers_redis
from twinguard.cli.processes import INHERITED, SOURCE, die_with_parent

TESTS = Path(__file__).parents[1]


@dataclass
class Program:
    """One process; `ready` says whether it answers."""

    name: str
    command: tuple[str, ...]
    folder: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**inherited, "PYTHONPATH": f"{SOURCE}:{TESTS}", **self.environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 -- calls prctl and getppid only
            )

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.ready():
            is_over = self.process is None or self.process.poll() is not None
            if is_over or time.monotonic() > deadline:
                last = self.log.read_text(errors="replace")[-2_000:]
                state = "ended" if is_over else f"does not answer for {PATIENCE:g} s"
                raise AssertionError(f"{self.name} {state}; its last words:\n{last}")
            time.sleep(0.02)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the whole group, and wait for it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            self.process.wait()


def served(name: str, factory: str, port: int, folder: Path, env: Mapping[str, str]) -> Program:
    """An ASGI application, as a container serves it."""
    command = (
        *(sys.executable, "-m", "uvicorn", "--factory", factory, "--no-access-log"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
        *("--no-proxy-headers", "--timeout-graceful-shutdown", "5"),
    )
    return Program(name, command, folder, lambda: answers_http(port), env)


def redis_server(port: int, folder: Path) -> Program:
    """A Redis that keeps what it is told, as the deployed one does."""
    command = (
        *("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
    )
    return Program("redis", command, folder, lambda: answers_redis(port))
