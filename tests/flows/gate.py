# SPDX-License-Identifier: Apache-2.0
"""A port in front of a server, so that the server can be away for a while without being stopped.

While a gate is shut nobody listens there and no connection through it lives."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading


@contextlib.contextmanager
def reserved_port():
    """A port that nobody else is given meanwhile; on Linux a server can listen on it all the same.

    Both sockets reuse addresses and ours never listens. Elsewhere it is merely free right now."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port


class Gate:
    """Passes bytes to a port of this machine, as a context manager; open at first."""

    def __init__(self, target):
        self._target = target
        self._reservation = reserved_port()
        self.port = None
        self._lock = threading.Lock()
        self._passing = set()
        self._threads = []
        self._listener = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def __enter__(self):
        self.port = self._reservation.__enter__()
        self.open()
        return self

    def __exit__(self, *details):
        self.shut()
        self._reservation.__exit__(*details)

    def open(self):
        listener = self._listener = socket.create_server(("127.0.0.1", self.port))
        self._begin(self._let_in, listener)

    def shut(self):
        with self._lock:
            listener, self._listener = self._listener, None
            passing, threads = tuple(self._passing), tuple(self._threads)
        if listener is None:
            return
        for one in (listener, *passing):
            _end(one)
        for thread in threads:
            thread.join()
        listener.close()
        self._threads.clear()

    def _begin(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _let_in(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    client.close()
                    return
                self._passing.add(client)
                self._begin(self._carry, client)

    def _carry(self, client):
        """One connection, until either side ends it."""
        with client, contextlib.suppress(OSError), self._connected() as server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
        self._passing.discard(client)

    def _connected(self):
        return socket.create_connection(("127.0.0.1", self._target))


def _copy(source, sink):
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    _end(source)
    _end(sink)


def _end(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
