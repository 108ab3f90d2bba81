# SPDX-License-Identifier: Apache-2.0
"""Raises processes that really die: one line of JSON in, one process forked, its end out.

A line has `env`, `policy`, `events` and `dies_at`: the outside call (store, API, topic) before
which the process kills itself with SIGKILL; null lets it live. The answer is its exit status."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
import os
import signal
import sys

# Loaded once, before any fork; clients are only made in the children.
import msgspec

from twinguard import config
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.wiring import ports_from

CHANGES = {
    *("put", "append", "write", "publish"),
    *("add", "promote", "end", "make", "drop", "limit_spend", "limit_rate"),
}
"""The methods of ports that change something outside."""


class Doomed:
    """A port that counts the calls which change something, and ends the process before one."""

    def __init__(self, port, calls, dies_at):
        self._port, self._calls, self._dies_at = port, calls, dies_at

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if name not in CHANGES:
            return method

        def counted(*args, **kwargs):
            if next(self._calls) == self._dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*args, **kwargs)

        return counted


def live(order):
    os.environ.update(order["env"])  # where the Firestore client looks for its emulator
    calls = itertools.count(1)
    ports = ports_from(order["env"])
    way_to_keys = ports.keys

    def doomed(port):
        return Doomed(port, calls, order["dies_at"])

    ports = msgspec.structs.replace(
        ports,
        records=doomed(ports.records),
        scalers={kind: doomed(scaler) for kind, scaler in ports.scalers.items()},
        publisher=doomed(ports.publisher),
        keys=lambda policy: doomed_keys(way_to_keys(policy), doomed),
    )
    pipeline = Pipeline(config.parse(order["policy"], "policy"), ports)
    for message_id, published, data, attributes in order["events"]:
        at = dt.datetime.fromisoformat(published)
        event = Event(message_id, at, base64.b64decode(data), attributes)
        if "task" in attributes:
            pipeline.on_schedule(event, at)
        else:
            pipeline.on_budget_alert(event, at)


def doomed_keys(keys, doomed):
    return msgspec.structs.replace(
        keys,
        secrets=doomed(keys.secrets),
        maker=lambda secret: doomed(keys.maker(secret)),
        brakes=lambda: doomed(keys.brakes()),
    )


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        live(json.loads(line))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201
