# SPDX-License-Identifier: Apache-2.0
"""A Redis of one's own that is killed, stopped, slowed down and started again, under load.

The policy is obeyed, known blocks hold, the numbers show it, and nothing has to be restarted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from guarding import KEY_ID, Clock, Site
from servers import PATIENCE, answers_redis, free_port, skip_or_fail
from threats import START
from twinguard.cli.processes import die_with_parent
from twinguard.decide.restraints import Curb, Restraint
from twinguard.policy import OnFailure, Security


class Redis:
    """A server that can be hurt."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.process = None

    def start(self):
        binary = shutil.which("redis-server") or skip_or_fail("redis-server: install it")
        self.process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- calls prctl and getppid only
        )
        assert soon(lambda: answers_redis(self.port), PATIENCE)

    def send(self, what):
        os.kill(self.process.pid, what)

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


class Delay:
    """A wire in front of a server that holds back what the server says."""

    def __init__(self, port):
        self.seconds = 0.0
        self.behind = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.behind))
                for pair in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, target, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if is_answer and self.seconds:
                    time.sleep(self.seconds)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.close()


def soon(is_so, within=10.0):
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    server.start()
    yield server
    server.end()


def site_at(port, **security):
    site = Site(
        f"redis://127.0.0.1:{port}/0",
        Security(**security),
        clock=Clock(1.0),
        timeout=0.1,
    )
    site.guard.start()
    assert soon(lambda: site.guard.blocks.age() < 1)
    return site


async def loaded(site, key, seconds):
    """Requests from eight callers for so long: statuses, and the slowest."""
    ends = time.monotonic() + seconds
    codes, slowest = [], 0.0

    async def caller():
        nonlocal slowest
        while time.monotonic() < ends:
            begun = time.monotonic()
            codes.append((await site.get(key=key)).status_code)
            slowest = max(slowest, time.monotonic() - begun)

    await asyncio.gather(*(caller() for _ in range(8)))
    return codes, slowest


def load(site, key="another-key", seconds=0.6):
    return asyncio.run(loaded(site, key, seconds))


def block(site):
    held = Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp())
    site.guard.counters.restrain(held)
    assert soon(lambda: site.guard.blocks.held(KEY_ID, START.timestamp() + 1))


def is_recovered(site):
    """Asked and answered again, and the block list is fresh."""
    before = site.tallies.read().get("admitted", 0)
    asyncio.run(site.get(key="another-key"))
    return site.tallies.read().get("admitted", 0) > before and site.guard.blocks.age() < 1


@pytest.mark.parametrize(("on_failure", "status"), [(OnFailure.OPEN, 200), (OnFailure.CLOSED, 503)])
def test_a_killed_redis_leaves_the_policy_and_the_blocks_in_force(redis, on_failure, status):
    site = site_at(redis.port, on_failure=on_failure)
    block(site)
    assert set(load(site, seconds=0.2)[0]) == {200}
    redis.end()
    codes, slowest = load(site)
    blocked = asyncio.run(site.get())
    read = site.tallies.read()

    assert set(codes) == {status}
    assert slowest < 1.0
    assert blocked.status_code == 403
    assert read["counters_down"] == 1
    assert read[f"failed_{on_failure}"] > 0
    assert read["counters_failures"] < 20
    redis.start()
    assert soon(lambda: is_recovered(site))
    site.close()


def test_a_stopped_redis_holds_nobody_up_for_long(redis):
    """SIGSTOP: connections stand, nothing answers. The worst kind of outage."""
    site = site_at(redis.port)
    block(site)
    redis.send(signal.SIGSTOP)
    codes, slowest = load(site, seconds=1.0)
    blocked = asyncio.run(site.get())
    is_old = soon(lambda: site.guard.blocks.age() > 2)
    redis.send(signal.SIGCONT)

    assert set(codes) == {200}
    assert len(codes) > 100
    assert slowest < 1.0
    assert blocked.status_code == 403
    assert is_old
    assert soon(lambda: is_recovered(site))
    site.close()


def test_a_slow_redis_is_left_alone_and_asked_again_once_it_is_quick(redis):
    wire = Delay(redis.port)
    site = site_at(wire.port)
    block(site)
    wire.seconds = 0.4
    codes, slowest = load(site, seconds=1.2)
    asked = site.tallies.read()["counters_failures"]
    wire.seconds = 0.0

    assert set(codes) == {200}
    assert slowest < 1.0
    assert asked < 20
    assert soon(lambda: is_recovered(site))
    site.close()
    wire.listener.close()


def test_a_redis_that_starts_again_while_it_is_used_needs_no_restart_here(redis):
    site = site_at(redis.port)
    codes: list[int] = []
    worker = threading.Thread(target=lambda: codes.extend(load(site, seconds=2.0)[0]))
    worker.start()
    time.sleep(0.3)
    redis.end()
    redis.start()
    worker.join()

    assert set(codes) == {200}
    assert soon(lambda: is_recovered(site))
    block(site)
    assert asyncio.run(site.get()).status_code == 403
    site.close()
