# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests: the servers, one of each for a worker, started when first asked for.

Tests keep apart by project id (`project`), not by restarting. See `servers.py`."""

from __future__ import annotations

import logging
import uuid
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from redis.connection import ConnectionPool

import servers

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")  # how fast a busy machine is decides no test


@pytest.fixture(autouse=True)
def as_loud_as_before() -> Iterator[None]:
    """A command that runs inside a test may say where its logs go, but not those of the next."""
    loggers = [logging.getLogger(), logging.getLogger("twinguard")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture(scope="session")
def redis_pools() -> Iterator[weakref.WeakSet[ConnectionPool]]:
    """The pools of all Redis clients for threads."""
    found: weakref.WeakSet[ConnectionPool] = weakref.WeakSet()
    begin = ConnectionPool.__init__

    def begun(pool: ConnectionPool, *args: Any, **options: Any) -> None:
        begin(pool, *args, **options)
        found.add(pool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConnectionPool, "__init__", begun)
        yield found


@pytest.fixture(autouse=True)
def nothing_left_open(redis_pools) -> Iterator[None]:
    """A client lives as long as its process; a test's is closed, and not by some later test."""
    yield
    for pool in list(redis_pools):
        pool.disconnect()
    redis_pools.clear()


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory) -> Iterator[servers.Server]:
    """A running Firestore emulator; clients need its `environment`, see `firestore_server`."""
    with servers.firestore(tmp_path_factory.mktemp("firestore")) as server:
        yield server


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory) -> Iterator[servers.Server]:
    """A running Pub/Sub emulator; clients need its `environment`, see `pubsub_server`."""
    with servers.pubsub(tmp_path_factory.mktemp("pubsub")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory) -> Iterator[servers.Server]:
    """A running Redis server, for `redis_server`."""
    with servers.redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(redis_process) -> servers.Server:
    """The Redis server with nothing in it; its address is `environment["TWINGUARD_COUNTERS"]`."""
    servers.empty_redis(redis_process.port)
    return redis_process


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory) -> Iterator[servers.Server]:
    """Three running Redis masters; their address is `environment["TWINGUARD_COUNTERS"]`."""
    with servers.redis_cluster(tmp_path_factory.mktemp("redis-cluster")) as server:
        yield server


@pytest.fixture
def project() -> str:
    """A project id that no other test uses."""
    return f"demo-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def firestore_server(firestore_emulator, monkeypatch) -> servers.Server:
    """The Firestore emulator, with the environment of this test pointing at it."""
    for name, value in firestore_emulator.environment.items():
        monkeypatch.setenv(name, value)
    return firestore_emulator


@pytest.fixture
def pubsub_server(pubsub_emulator, monkeypatch) -> servers.Server:
    """The Pub/Sub emulator, with the environment of this test pointing at it."""
    for name, value in pubsub_emulator.environment.items():
        monkeypatch.setenv(name, value)
    return pubsub_emulator
