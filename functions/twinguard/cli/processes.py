# SPDX-License-Identifier: Apache-2.0
"""The entry points as real processes on this machine, each in a group of its own.

None outlives us: groups are killed on the way out, and on Linux the kernel does it if we are."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twinguard.errors import Unavailable

SOURCE = Path(__file__).resolve().parents[2]
"""The deploy unit: the folder of `main.py`."""

INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TWINGUARD_CI_RUN", "VIRTUAL_ENV")
"""All that a function gets of our environment: no credentials, no proxies, no settings."""

Stop = Callable[[], None]
"""Called between any two steps; raises KeyboardInterrupt once the program is to end."""

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals by which people and machines end a program."""

PATIENCE = 30.0


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Function:
    """One entry point under functions-framework; `log` collects what it prints."""

    entry_point: str
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its push requests go."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process; `wait` says when it answers."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        framework = (sys.executable, "-m", "functions_framework")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own source, no shell
                [
                    *(*framework, "--source", str(SOURCE / "main.py")),
                    *("--target", self.entry_point, "--signature-type", "http"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                env={**inherited, "PYTHONPATH": str(SOURCE), "THREADS": "2", **self.environment},
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - calls prctl and getppid only
            )

    def wait(self, stop: Stop) -> None:
        """Return when it takes requests; Unavailable if it never does."""
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            stop()
            if self.process is None or self.process.poll() is not None:
                raise Unavailable(f"{self.entry_point} did not start; {self._last_words()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.entry_point} does not answer; {self._last_words()}")
            time.sleep(0.02)

    def kill(self) -> int:
        """`kill -9` for the whole group; the exit status of the process."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"its last words: {lines[-1]}" if lines else "it said nothing"


@contextlib.contextmanager
def running(functions: tuple[Function, ...], stop: Stop) -> Iterator[None]:
    """Run the functions from when all answer until the block ends, however it ends."""
    try:
        for function in functions:
            function.start()
        for function in functions:
            function.wait(stop)
        yield
    finally:
        for function in functions:
            function.kill()


@contextlib.contextmanager
def orderly_end() -> Iterator[Stop]:
    """Remember the signals that end a program; what is given raises KeyboardInterrupt for them.

    Raising in the handler itself could leave a lock held or a process forgotten."""
    came: list[int] = []
    before = [signal.signal(end, lambda number, _: came.append(number)) for end in ENDS]

    def stop() -> None:
        if came:
            raise KeyboardInterrupt

    try:
        yield stop
    finally:
        for end, handler in zip(ENDS, before, strict=True):
            signal.signal(end, handler)


def die_with_parent() -> Callable[[], None] | None:
    """On Linux: have the kernel kill the process when this one ends in whatever way."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return ask
