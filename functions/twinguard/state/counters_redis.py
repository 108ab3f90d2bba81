# SPDX-License-Identifier: Apache-2.0
"""Counters in Redis: one script call for each request, shared by all instances.

`counters.lua` moves a key's state on and says what a decision needs; the decision is pure and the
same as in `decide/threats/memory.py`. Who is handed an hour that ended learns from it (ADR 10)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import msgpack

from twinguard.counters import Answer
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.assess import assess, finding
from twinguard.decide.threats.baseline import ADDRESS, Baseline, encoded
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.sighting import (
    CUT,
    FAILED,
    HIGH,
    Sighting,
    is_said,
    marks_of,
    sighted,
    words_of,
)
from twinguard.decide.threats.values import Finding, Use
from twinguard.errors import Unavailable
from twinguard.readers import ready
from twinguard.state import redis_watch as rw
from twinguard.state import redis_words as words
from twinguard.state.redis_calls import RedisCalls, Script
from twinguard.state.redis_families import Families
from twinguard.state.redis_restraints import RedisRestraints, read_restraint
from twinguard.state.redis_watch import Known, Weighed, named, packed

if TYPE_CHECKING:
    from twinguard.state.counters import Options

DONE, STALE, CLOSED, SEED, BLOCKED, THROTTLED, OLD = range(7)
_TURNS = 6
_KNOWN = 5_000
"""Keys whose baselines a process remembers; one costs some ten kilobytes."""

_HOMES = 20_000
_HOME_DAYS = 3
ready(Restraint)


class RedisCounters:
    """`Counters` over a Redis server or cluster."""

    is_instant = False
    is_shared = True

    def __init__(self, calls: RedisCalls, options: Options) -> None:
        self._calls = calls
        self._rules = options.rules
        self._facts = {key.key_id: key for key in options.keys}
        self._reader = Reader(options.place_of, options.rules.cached)
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._families = Families(calls)
        self._homes: set[tuple[str, str]] = set()
        self._lock = threading.RLock()
        self._restraints = RedisRestraints(calls)
        self._script = Script(words.preamble(options.rules) + words.text_of("counters.lua"))
        self._across = Script(words.text_of("neighbours.lua"))

    def admit(self, use: Use) -> Answer:
        """Say whether a request may pass; if so, count it and say what it shows."""
        return self._counted(use, is_open=True)

    def observe(self, use: Use) -> tuple[Finding, ...]:
        """Count a request that was served elsewhere."""
        return self._counted(use, is_open=False).findings

    def settle(self, use: Use) -> None:
        """Say how a request that was admitted has ended."""
        known = self._known.get(use.key_id)
        at = use.at.timestamp()
        if known is None or int(at / 3600) != known.hour:
            return
        signature, is_fine = (use.ip, use.user_agent, use.path), use.status < FAILED
        if is_fine and (signature in known.familiar or signature in known.strange):
            return
        seen = sighted(use, known.hour, known.base, self._reader, self._rules)
        if not seen.is_idle and (is_fine or seen.is_strange):
            fields = words.ending(use, seen, known.hour, at, is_fine=is_fine)
            self._run(use.key_id, b"settle", **fields)
        if is_fine:
            self._remember(known, use, seen)

    def restrain(self, restraint: Restraint) -> None:
        """Hold a key back, or lift what does, on every instance."""
        self._restraints.put(restraint)
        if restraint.is_owner:
            self._accept(restraint.key_id)
        elif restraint.curb is Curb.NONE:
            self._run(restraint.key_id, b"rearm")

    def follow(self) -> Iterator[tuple[Restraint, ...]]:
        """First everything that is in force, then what changes."""
        return self._restraints.follow()

    def usual(self, key_id: str) -> Baseline | None:
        """What all instances have learned of a key."""
        key = _key(key_id)
        return rw.read_base(self._calls.ask(key, b"GET", b"{" + key + b"}:base") or b"")[1]

    def _counted(self, use: Use, *, is_open: bool) -> Answer:
        """Count one use; a baseline that is missing, old or due is put right in between."""
        at = use.at.timestamp()
        for _ in range(_TURNS):
            known = self._fresh(use.key_id, int(at / 3600))
            fields, seen = self._asked(known, use, at, is_open=is_open)
            reply = self._run(use.key_id, b"observe", **fields)
            match reply[0]:
                case 0:
                    if seen is not None and not is_open:
                        self._remember(known, use, seen)
                    found: tuple[Finding, ...] = ()
                    if len(reply) > 2:  # noqa: PLR2004 - it is to be weighed
                        found = self._weigh(known, use, rw.weighed(reply), seen)
                    return Answer(findings=found, rate=reply[1])
                case 6:
                    return Answer(rate=reply[1])
                case 1:
                    self._reload(use.key_id, known, reply[1])
                case 2:
                    self._learn(use.key_id, known, reply[1])
                case 3:
                    self._teach(use.key_id, known, known.base, 0, 0)
                case 4:
                    return Answer(refused=read_restraint(reply[1]))
                case _:
                    return words.throttled(use.key_id, reply[1], int(reply[2]))
        raise Unavailable(f"the baseline of {use.key_id} changed {_TURNS} times meanwhile; retry")

    def _asked(
        self, known: Known, use: Use, at: float, *, is_open: bool
    ) -> tuple[dict[str, Any], Sighting | None]:
        """The script's arguments. Known use says little; what is new says what it is."""
        fields: dict[str, Any] = {
            "at": at,
            "hour": int(at / 3600),
            "digest": rw.digest_of(use),
            "version": known.version,
            "limit": known.limit,
            "short": known.short,
            "network": "",
            "enforced": is_open,
        }
        signature = (use.ip, use.user_agent, use.path)
        network = known.familiar.get(signature)
        if use.status < FAILED and network is not None:
            return fields | {"network": network}, None
        if (kept := known.strange.get(signature)) is not None:
            failed = {"failed": use.path[:CUT]} if use.status >= FAILED else {}
            return fields | kept | failed, None
        seen = sighted(use, known.hour, known.base, self._reader, self._rules)
        if seen.is_idle:
            return fields | {"idle": True, "novel": [], "network": seen.source.network}, seen
        fields |= words.told_of(known, use, seen, self._rules)
        if use.status < FAILED and not is_open:
            fields["values"] = words.values(seen)
        elif use.status >= FAILED:
            fields["failed"] = use.path[:CUT]
        return fields, seen

    def _remember(self, known: Known, use: Use, seen: Sighting) -> None:
        """What a use showed is noted now; the same again says less."""
        if seen.is_idle:
            return
        signature = (use.ip, use.user_agent, use.path)
        known.bounded()
        if seen.is_strange:
            known.strange[signature] = words.told_of(known, use, seen, self._rules)
        if seen.is_strange or use.status >= FAILED:
            return
        known.familiar[signature] = seen.source.network
        address = seen.source.address
        entry = known.base.seen[ADDRESS].get(address) if address else None
        home = (address, use.key_id)
        if entry is not None and entry[2] >= _HOME_DAYS and home not in self._homes:
            if len(self._homes) >= _HOMES:
                self._homes.clear()
            self._homes.add(home)
            owner = self._source(address, b"home", key=use.key_id).decode()
            if owner != use.key_id:
                self._families.join(use.key_id, owner)

    def _weigh(
        self, known: Known, use: Use, reply: Weighed, seen: Sighting | None
    ) -> tuple[Finding, ...]:
        """What a window shows that nobody has said yet."""
        rules, base = self._rules, known.base
        seen = seen or sighted(use, known.hour, base, self._reader, rules)
        base.strange_hour = max(base.strange_hour, float(reply.state[rw.QUIET_PEAK]))
        is_new = words_of(use, seen, known.hour, base, rules).is_new_address
        if reply.is_news and is_new and seen.is_strange:
            self._ask_neighbours(use, seen, reply)
        window = reply.window(known, rules)
        found = assess(use, window, base, rules)
        if found.level is None:
            return ()
        rank, told, is_strange = found.level.rank, reply.told, reply.is_strange(rules)
        came = tuple(reply.since(*mark) for mark in marks_of(seen.source, seen.agent))
        if is_said(rank, told, reply.at, came, rules, is_strange=is_strange):
            return ()
        mine = {"rank": rank, "at": reply.at, "strange": is_strange, "told": reply.state[rw.TOLD]}
        mine |= {"told_at": reply.state[rw.TOLD_AT], "volume": told.volume}
        if not self._run(use.key_id, b"tell", **mine, volume_at=told.volume_at):
            return ()
        if is_strange and rank >= HIGH and is_new:
            self._source(seen.source.address, b"flag", key=use.key_id, at=reply.at)
        return (finding(use, window, found, found.level),)

    def _ask_neighbours(self, use: Use, seen: Sighting, reply: Weighed) -> None:
        """What the source does on other keys; both the state here and the store's learn it."""
        asked = {"key": use.key_id, "agent": seen.agent, "at": reply.at}
        found, flagged, home = msgpack.decode(self._source(seen.source.address, b"seen", **asked))
        own = self._families.of(use.key_id) if found else ""
        others = [agent for key, agent in found if self._families.of(key) != own]
        keys, same_agent = len(others), seen.agent in others
        reply.hear(keys, same_agent=same_agent, flagged=flagged, home=home)
        near = {"keys": keys, "same_agent": bool(same_agent), "flagged": bool(flagged)}
        self._run(use.key_id, b"neighbours", **near, home=bool(home))

    # --- baselines -------------------------------------------------------------------------------

    def _fresh(self, key_id: str, hour: int) -> Known:
        with self._lock:
            known = self._known.get(key_id)
            if known is None:
                base = Baseline(since=hour)
                known = Known(base, 0, self._facts.get(key_id), self._rules)
                self._known[key_id] = known
                if len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
            self._known.move_to_end(key_id)
            known.turn(hour)
            return known

    def _reload(self, key_id: str, known: Known, kept: bytes) -> None:
        version, base = rw.read_base(kept)
        if base is None:  # of another program's version: learned anew
            base = Baseline(since=known.hour)
        with self._lock:
            self._known[key_id] = Known(base, version, self._facts.get(key_id), self._rules)

    def _learn(self, key_id: str, known: Known, ended: list[list[Any]]) -> None:
        base = msgspec.msgpack.decode(encoded(known.base), type=Baseline)
        rw.lesson(base, ended, self._rules)
        self._teach(key_id, known, base, known.version, len(ended))

    def _teach(self, key_id: str, known: Known, base: Baseline, expected: int, taken: int) -> None:
        """Store a baseline; whoever was faster goes first, and is asked at the next turn."""
        version = max(expected, known.version) + 1
        fields = {"expected": expected, "version": version, "taken": taken, "hour": known.hour}
        words = (b"teach", packed(**fields), encoded(base))
        if self._calls.run(self._script, _key(key_id), *words):
            with self._lock:
                facts = self._facts.get(key_id)
                self._known[key_id] = Known(base, version, facts, self._rules)

    def _accept(self, key_id: str) -> None:
        """Trust at once what is strange about a key, for somebody looked and said so."""
        hour, kept, values = self._calls.run(self._script, _key(key_id), b"accept", packed())
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
        known = Known(base, version, self._facts.get(key_id), self._rules)
        known.hour = hour
        self._teach(key_id, known, base, version, 0)

    # --- calls -----------------------------------------------------------------------------------

    def _run(self, key_id: str, word: bytes, **fields: object) -> Any:  # noqa: ANN401
        reply = self._calls.run(self._script, _key(key_id), word, packed(**fields))
        return msgpack.decode(reply) if isinstance(reply, bytes) else reply

    def _source(self, address: str, word: bytes, **fields: object) -> Any:  # noqa: ANN401
        return self._calls.run(self._across, b"source:" + named(address), word, packed(**fields))


def _key(key_id: str) -> bytes:
    return b"throttled:" + named(key_id)
