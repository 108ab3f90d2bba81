# SPDX-License-Identifier: Apache-2.0
"""A user's machine that tells on itself: a checkout, commands, functions, and all they leave.

Every process notes what it was started with and what it starts; every file and every word printed
is kept."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ANSWER = "ANSWER "
SPY = """
import os, sys
notes = os.open(os.environ["SPY_NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
def note(event, args):
    if event in {"subprocess.Popen", "os.exec", "os.posix_spawn"}:
        os.write(notes, f"{args[:2]}\\n".encode())
    elif event == "os.system":
        os.write(notes, f"{args}\\n".encode())
os.write(notes, f"{sys.orig_argv}\\n".encode())
sys.addaudithook(note)
"""
SERVED = """
import json, os, sys
from flask import Request
from werkzeug.test import EnvironBuilder
from twinguard.wiring import start
points = {}
for line in sys.stdin:
    point, message = json.loads(line)
    points[point] = points.get(point) or start(os.environ, point)
    asked = Request(EnvironBuilder(method="POST", json={"message": message}).get_environ())
    print("ANSWER " + json.dumps(points[point](asked)), flush=True)
"""
"""The entry points as they are deployed, one message a line."""


class Machine:
    """A checkout with these policies, by environment; everything else lies in `home`."""

    def __init__(self, folder: Path, policies: dict[str, str], env: dict[str, str]) -> None:
        self.checkout, self.home = folder / "checkout", folder / "home"
        spy = folder / "spy"
        for place in (self.home, spy, folder / "tmp"):
            place.mkdir(parents=True)
        (spy / "sitecustomize.py").write_text(SPY)
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "functions", self.checkout / "functions", ignore=unwanted)
        shutil.copytree(ROOT / "environments", self.checkout / "environments", ignore=unwanted)
        for environment, text in policies.items():
            (self.checkout / "environments" / environment / "policy.yaml").write_text(text)
        self.notes, self.said = folder / "notes", list[str]()
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.home),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": os.pathsep.join((str(spy), str(self.checkout / "functions"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SPY_NOTES": str(self.notes),
            "COLUMNS": "200",
            **env,
        }
        self._folder, self._given = folder, set(self.checkout.rglob("*"))

    def run(
        self, command: str, *arguments: str, code: int = 0, given: str = "", **more: str
    ) -> str:
        """One command of the Makefile's; what it printed on standard output."""
        done = subprocess.run(
            [sys.executable, "-m", f"twinguard.cli.{command}", *arguments],
            cwd=self.home,
            env=self.env | more,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said.append(done.stderr)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def tell(self, command: str, *arguments: str, code: int = 0, given: str = "", **more: str):
        """One command that shows no key; what it printed is kept."""
        self.said.append(self.run(command, *arguments, code=code, given=given, **more))
        return self.said[-1]

    @contextlib.contextmanager
    def functions(self, **more: str):
        """The deployed functions: call with an entry point and a message, get answer and status."""
        with (
            (self._folder / "functions.log").open("a") as log,
            subprocess.Popen(
                [sys.executable, "-c", SERVED],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.home,
                env=self.env | more,
            ) as process,
        ):

            def ask(point, message):
                process.stdin.write(json.dumps([point, message]) + "\n")
                process.stdin.flush()
                for line in process.stdout:
                    self.said.append(line)
                    if line.startswith(ANSWER):
                        return json.loads(line.removeprefix(ANSWER))
                raise AssertionError(
                    f"{point} died: {(self._folder / 'functions.log').read_text()}"
                )

            yield ask
            process.stdin.close()
            process.wait(10)

    def left(self) -> dict[str, bytes]:
        """Everything that is on disk now and was not at first, and everything that was said."""
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        found = {
            str(path.relative_to(self._folder)): path.read_bytes()
            for path in files
            if path not in self._given
        }
        return found | {"said": "\n".join(self.said).encode()}
