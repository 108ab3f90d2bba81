# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests: found, started on a free port, stopped with their children.

Never leaves a process behind, not even after `kill -9`. The fixtures are in `conftest.py`."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from twinguard.cli.processes import die_with_parent

# gRPC's handlers run in a process between its fork and its exec, and sometimes end it there.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

PATIENCE = 60.0  # seconds until a server has to answer
UNHURRIED = 30  # seconds for each answer of Redis: a busy machine's server is slow, not down
LEAN = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m")


@dataclass(frozen=True)
class Server:
    """A server that answers; `environment` is what a client library needs to find it."""

    host: str
    port: int
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def skip_or_fail(reason: str) -> NoReturn:
    """Skip for a reason that names the remedy; fail where TWINGUARD_NO_SKIPS=1 is set."""
    if os.environ.get("TWINGUARD_NO_SKIPS") == "1":
        pytest.fail(f"TWINGUARD_NO_SKIPS is set: {reason}", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def firestore(folder: Path) -> Iterator[Server]:
    """The Firestore emulator, logging into a folder."""
    name = "cloud-firestore-emulator"
    jar = _emulator_file(name, "cloud-firestore-emulator.jar")
    port = free_port()
    command = [
        *(_java(), *LEAN, "-cp", str(jar)),
        *("com.google.cloud.datastore.emulator.firestore.CloudFirestore", "start"),
        *("--host=127.0.0.1", f"--port={port}", "--database-mode=firestore-native"),
    ]
    with running(command, folder / f"{name}.log", lambda: answers_http(port)):
        yield Server("127.0.0.1", port, {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{port}"})


@contextlib.contextmanager
def pubsub(folder: Path) -> Iterator[Server]:
    """The Pub/Sub emulator, logging into a folder. It does not honour subscription filters."""
    name = "pubsub-emulator"
    jar = _emulator_file(name, "lib/cloud-pubsub-emulator-*-all.jar")
    port = free_port()
    command = [_java(), *LEAN, "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"]
    with running(command, folder / f"{name}.log", lambda: answers_http(port)):
        yield Server("127.0.0.1", port, {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}"})


@contextlib.contextmanager
def redis(folder: Path, *options: str) -> Iterator[Server]:
    """A Redis server without persistence, logging into a folder; with more options, if given."""
    binary = shutil.which("redis-server") or skip_or_fail(
        "redis-server: install it with 'apt-get install redis-server'",
    )
    port = free_port()
    command = [
        *(binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--save", "", "--appendonly", "no", *options),
    ]
    with running(command, folder / "redis.log", lambda: answers_redis(port)):
        address = f"redis://127.0.0.1:{port}/0?timeout={UNHURRIED}"
        yield Server("127.0.0.1", port, {"TWINGUARD_COUNTERS": address})


@contextlib.contextmanager
def redis_cluster(folder: Path) -> Iterator[Server]:
    """Three Redis masters that share the slots among them, without replicas."""
    binary = shutil.which("redis-server") or skip_or_fail(
        "redis-server: install it with 'apt-get install redis-server'",
    )
    with contextlib.ExitStack() as nodes:
        ports = [nodes.enter_context(cluster_node(binary, folder)) for _ in range(3)]
        bounds = [round(16_384 * n / len(ports)) for n in range(len(ports) + 1)]
        for port, first, after in zip(ports, bounds, bounds[1:], strict=False):
            slots = " ".join(map(str, range(first, after)))
            redis_answer(port, f"CLUSTER ADDSLOTS {slots}")
            redis_answer(port, f"CLUSTER MEET 127.0.0.1 {ports[0]}")
        deadline = time.monotonic() + PATIENCE
        while not all(knows_cluster(port, len(ports)) for port in ports):
            if time.monotonic() > deadline:
                pytest.fail("the Redis cluster does not form", pytrace=False)
            time.sleep(0.02)
        url = f"redis://127.0.0.1:{ports[0]}?cluster=true&timeout={UNHURRIED}"
        yield Server("127.0.0.1", ports[0], {"TWINGUARD_COUNTERS": url})


@contextlib.contextmanager
def cluster_node(binary: str, folder: Path) -> Iterator[int]:
    port = free_port()
    while port > 55_000:  # its bus listens ten thousand ports above
        port = free_port()
    command = [
        *(binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--save", "", "--appendonly", "no", "--cluster-enabled", "yes"),
        *("--cluster-config-file", f"nodes-{port}.conf"),
    ]
    with running(command, folder / f"redis-{port}.log", lambda: answers_redis(port)):
        yield port


def redis_of(request: pytest.FixtureRequest, kind: str) -> str:
    """The address of the test run's server (`redis`) or of its cluster (`cluster`)."""
    fixture = {"redis": "redis_server", "cluster": "redis_cluster"}[kind]
    address: str = request.getfixturevalue(fixture).environment["TWINGUARD_COUNTERS"]
    return address


def knows_cluster(port: int, size: int) -> bool:
    info = redis_answer(port, "CLUSTER INFO")
    return "cluster_state:ok" in info and f"cluster_known_nodes:{size}" in info


def redis_answer(port: int, command: str) -> str:
    """What a Redis server answers to an inline command, as it stands on the wire."""
    words = command.split()
    request = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request.encode())
        return connection.recv(65_536).decode()


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it is ready until the block ends, then end its whole group."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- calls prctl and getppid only
        )
    try:
        _wait_until_ready(process, log, ready)
        yield process
    finally:
        _stop(process)


def answers_http(port: int) -> bool:
    """True once anything on this port speaks HTTP, an error included."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            answer.read()
    except urllib.error.HTTPError as err:
        err.close()
    except OSError:
        return False
    return True


def empty_redis(port: int) -> None:
    """Take everything out of the Redis server on this port."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64).startswith(b"+OK")


def answers_redis(port: int) -> bool:
    """True once a Redis server on this port answers a PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _wait_until_ready(
    process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            state = f"exited with {process.returncode}" if process.poll() is not None else "hangs"
            tail = log.read_text(errors="replace")[-2_000:]
            pytest.fail(f"{process.args!r} {state}; the end of its log:\n{tail}", pytrace=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for ending, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _java() -> str:
    return shutil.which("java") or skip_or_fail(
        "Java: the emulators need 'java' (17 or newer) on the PATH; install a JRE",
    )


def _emulator_file(emulator: str, pattern: str) -> Path:
    for folder in _emulator_folders():
        found = sorted((folder / emulator).glob(pattern))
        if found:
            return found[-1]
    skip_or_fail(
        f"{emulator}: install with 'gcloud components install {emulator}', or set"
        f" TWINGUARD_EMULATORS to the folder that holds {emulator}/",
    )


def _emulator_folders() -> Iterator[Path]:
    """Where emulators may be, the quickest to find out first."""
    if named := os.environ.get("TWINGUARD_EMULATORS"):
        yield Path(named)
    if gcloud := shutil.which("gcloud"):
        yield Path(gcloud).resolve().parent.parent / "platform"
        yield _told_by(gcloud)


@functools.cache
def _told_by(gcloud: str) -> Path:
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return Path(answer.stdout.strip() or os.devnull) / "platform"
