# SPDX-License-Identifier: Apache-2.0
"""Calls to a Redis server or cluster with little around them: a script by its digest, a few words.

redis-py makes the connections (TLS, tokens, the cluster's map); a call does not go through its
general machinery, which takes longer than the server does. Its errors end here as `Unavailable`."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from twinguard.errors import Unavailable
from twinguard.redis_servers import Target, opened

if TYPE_CHECKING:
    from redis import Redis, RedisCluster
    from redis.client import PubSub
    from redis.connection import ConnectionInterface, ConnectionPool

Text: TypeAlias = "str | bytes"
_IDLE = 64
"""Connections kept for later; more are made while there are more calls at once."""


class Script:
    """A script as it is sent: by its digest, and as a whole where the server does not know it."""

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().encode()


class RedisCalls:
    """A server or cluster; nothing is contacted before the first call."""

    def __init__(self, target: Target, timeout: float) -> None:
        self._target = target
        self._timeout = timeout
        self._made: Redis | RedisCluster | None = None
        self._lock = threading.Lock()
        self._idle: dict[str, deque[ConnectionInterface]] = {}

    def run(self, script: Script, key: bytes, *words: bytes) -> Any:  # noqa: ANN401
        """What a script answers about one key."""
        tail = (b"1", key, *words)
        try:
            return self.ask(key, b"EVALSHA", script.digest, *tail)
        except _Unknown:
            return self.ask(key, b"EVAL", script.text, *tail)

    def ask(self, key: bytes, *words: bytes) -> Any:  # noqa: ANN401 - what Redis answers
        """What the server that has a key answers."""
        from redis import exceptions

        command = _command(words)
        with self._translated():
            name, pool = self._place(key)
            idle = self._idle.setdefault(name, deque(maxlen=_IDLE))
            while True:
                connection, is_new = _taken(idle, pool)
                try:
                    connection.send_packed_command([command], check_health=False)  # type: ignore[no-untyped-call]
                    answer = connection.read_response(disable_decoding=True)
                except exceptions.NoScriptError:
                    idle.append(connection)
                    raise _Unknown from None
                except (exceptions.MovedError, exceptions.AskError):
                    idle.append(connection)
                    return self._anywhere(words)
                except exceptions.ResponseError:
                    idle.append(connection)
                    raise
                except exceptions.TimeoutError:
                    connection.disconnect()  # type: ignore[no-untyped-call]
                    raise
                except (exceptions.ConnectionError, OSError):
                    connection.disconnect()  # type: ignore[no-untyped-call]
                    if is_new:
                        raise
                    continue  # it was closed while it lay idle
                except BaseException:
                    connection.disconnect()  # type: ignore[no-untyped-call]
                    raise
                idle.append(connection)
                return answer

    @contextmanager
    def listening(self, channel: str) -> Iterator[PubSub]:
        """A subscription to a channel, confirmed."""
        with self._translated():
            subscription = self._client().pubsub()  # type: ignore[no-untyped-call]
            try:
                subscription.subscribe(channel)
                first = subscription.get_message(timeout=max(1.0, self._timeout))
                if first is None or first["type"] != "subscribe":
                    raise Unavailable(
                        f"{self._target.named} does not confirm a subscription; retry"
                    )
                yield subscription
            finally:
                with suppress(Exception):  # the connection may be gone, which is what we want
                    subscription.close()

    def _anywhere(self, words: tuple[bytes, ...]) -> Any:  # noqa: ANN401 - what Redis answers
        """Ask through redis-py, which follows a slot that moves, and learn where it went."""
        from redis import RedisCluster
        from redis.exceptions import NoScriptError

        client = self._client()
        try:
            answer = client.execute_command(*words)  # type: ignore[no-untyped-call]
        except NoScriptError:
            raise _Unknown from None
        if isinstance(client, RedisCluster):
            client.nodes_manager.initialize()
        return answer

    def _place(self, key: bytes) -> tuple[str, ConnectionPool]:
        client = self._client()
        if not self._target.is_cluster:
            return "", client.connection_pool  # type: ignore[union-attr]
        node = client.get_node_from_key(key)  # type: ignore[union-attr]
        if node is None:
            raise Unavailable(f"{self._target.named} has nobody for a part of its keys; retry")
        return node.name, client.get_redis_connection(node).connection_pool  # type: ignore[union-attr]

    def _client(self) -> Redis | RedisCluster:
        with self._lock:
            if self._made is None:
                self._made = opened(self._target, self._timeout)
            return self._made

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from redis.exceptions import RedisClusterException, RedisError

        try:
            yield
        except (RedisError, RedisClusterException, OSError) as err:
            if self._target.is_cluster:  # a node may be gone for good: its slots are looked up anew
                self._made = None
                self._idle = {}
            raise Unavailable(
                f"{self._target.named} does not answer; see that it runs: {err}"
            ) from err


class _Unknown(Exception):
    """The server does not know a script yet."""


def _taken(
    idle: deque[ConnectionInterface], pool: ConnectionPool
) -> tuple[ConnectionInterface, bool]:
    try:
        return idle.pop(), False
    except IndexError:
        connection = pool.make_connection()
        connection.connect()  # type: ignore[no-untyped-call]
        return connection, True


def _command(words: tuple[bytes, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)
