# SPDX-License-Identifier: Apache-2.0
"""Keys' baselines in Redis, as one process knows them: read, learned from, put in their place.

A baseline is replaced by whoever read it last; whoever was slower reads it anew (ADR 10)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from msgspec import msgpack

from twinguard.decide.threats.baseline import Baseline, encoded
from twinguard.decide.threats.newcomers import is_limited
from twinguard.state import redis_watch as rw
from twinguard.state import redis_words as words
from twinguard.state.redis_calls import RedisCalls, Script
from twinguard.state.redis_watch import Known, named, packed

if TYPE_CHECKING:
    from twinguard.decide.threats.rules import Rules
    from twinguard.decide.threats.sources import Source
    from twinguard.state.counters import Options

_HOUR = b"3600"
_KNOWN = 5_000
"""Keys whose baselines a process remembers; one costs some ten kilobytes."""


class KeyScript:
    """`counters.lua`, which moves one key's state on."""

    def __init__(self, calls: RedisCalls, rules: Rules) -> None:
        self._calls = calls
        self._script = Script(words.preamble(rules) + words.text_of("counters.lua"))

    def run(self, key_id: str, word: bytes, *data: bytes, **fields: object) -> Any:  # noqa: ANN401
        """What the script answers to a word about a key."""
        key = b"throttled:" + named(key_id)
        reply = self._calls.run(self._script, key, word, packed(**fields), *data)
        return msgpack.decode(reply) if isinstance(reply, bytes) else reply


class Baselines:
    """What is usual for keys. Everything here can be lost at any time."""

    def __init__(self, calls: RedisCalls, script: KeyScript, options: Options) -> None:
        self._calls, self._script = calls, script
        self._rules = options.rules
        self._facts = {key.key_id: key for key in options.keys}
        self.known: OrderedDict[str, Known] = OrderedDict()
        self._lock = threading.RLock()

    def of(self, key_id: str, hour: int) -> Known:
        """What is known of a key in an hour. One that did not begin yet is not remembered."""
        with self._lock:
            known = self.known.get(key_id)
            if known is None:
                known = self._made(key_id, Baseline(since=hour), 0)
            else:
                self.known.move_to_end(key_id)
            known.turn(hour)
            return known

    def begin(self, key_id: str, known: Known, source: Source) -> bool:
        """Begin a key that was served; False where too many have from this source lately."""
        if is_limited(source):
            name = b"begun:%s:%d" % (named(source.address), known.hour)
            count = self._calls.ask(name, b"INCR", name)
            if count == 1:
                self._calls.ask(name, b"EXPIRE", name, _HOUR)
            if count > self._rules.begin_per_hour:
                return False
        self.teach(key_id, known, known.base, 0, 0)
        return True

    def read(self, key_id: str) -> tuple[int, Baseline | None]:
        """The version of a key's baseline in the store, and it; 0 and None where there is none."""
        name = b"throttled:" + named(key_id)
        kept = self._calls.ask(name, b"GET", b"{%s}:base" % name)
        return (0, None) if kept is None else rw.read_base(kept)

    def restore(self, key_id: str, base: Baseline, hour: int) -> None:
        """Put a baseline into the place of the one in the store, unless that changes meanwhile."""
        version, _ = self.read(key_id)
        self.teach(key_id, self.of(key_id, hour), base, version, 0)

    def reload(self, key_id: str, hour: int, kept: bytes) -> None:
        """Take the store's word for a key."""
        version, base = rw.read_base(kept)
        # One of another program's version is learned anew.
        self._keep(key_id, base or Baseline(since=hour), version)

    def learn(self, key_id: str, known: Known, ended: list[list[Any]]) -> None:
        """Learn from hours that ended."""
        base = msgpack.decode(encoded(known.base), type=Baseline)
        rw.lesson(base, ended, self._rules)
        self.teach(key_id, known, base, known.version, len(ended))

    def teach(self, key_id: str, known: Known, base: Baseline, expected: int, taken: int) -> None:
        """Store a baseline; whoever was faster goes first, and is asked at the next turn."""
        version = max(expected, known.version) + 1
        fields = {"expected": expected, "version": version, "taken": taken, "hour": known.hour}
        if self._script.run(key_id, b"teach", encoded(base), **fields):
            self._keep(key_id, base, version)

    def accept(self, key_id: str) -> None:
        """Trust at once what is strange about a key, for somebody looked and said so."""
        hour, kept, values = self._script.run(key_id, b"accept")
        if not kept:
            return
        version, base = rw.read_base(kept)
        if base is None:
            return
        at = hour - base.since
        novel, quiet_peak = msgpack.decode(values)
        base.strange_hour = max(base.strange_hour, float(quiet_peak))
        for seen, names in zip(base.seen, novel, strict=True):
            seen.update({name: [at, at, self._rules.trusted_days] for name in names})
        known = self._made(key_id, base, version)
        known.hour = hour
        self.teach(key_id, known, base, version, 0)

    def _keep(self, key_id: str, base: Baseline, version: int) -> None:
        with self._lock:
            self.known[key_id] = self._made(key_id, base, version)
            if len(self.known) > _KNOWN:
                self.known.popitem(last=False)

    def _made(self, key_id: str, base: Baseline, version: int) -> Known:
        return Known(base, version, self._facts.get(key_id), self._rules)
