# SPDX-License-Identifier: Apache-2.0
"""Counters in Redis: one script call for each request, shared by all instances.

`counters.lua` moves a key's state on and says what a decision needs; the decision is pure and the
same as in `decide/threats/memory.py`. Who is handed an hour that ended learns from it (ADR 10)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import msgpack

from twinguard.counters import Answer
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.assess import assess, finding
from twinguard.decide.threats.baseline import ADDRESS, Baseline
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.sighting import (
    CUT,
    HIGH,
    Sighting,
    is_said,
    marks_of,
    sighted,
    words_of,
)
from twinguard.decide.threats.sources import IDLE
from twinguard.decide.threats.values import FAILED, Finding, Use
from twinguard.errors import Unavailable
from twinguard.readers import ready
from twinguard.state import redis_watch as rw
from twinguard.state import redis_words as words
from twinguard.state.redis_baselines import Baselines, KeyScript
from twinguard.state.redis_calls import RedisCalls, Script
from twinguard.state.redis_families import Families
from twinguard.state.redis_restraints import RedisRestraints, read_restraint
from twinguard.state.redis_watch import Known, Weighed, named, packed

if TYPE_CHECKING:
    from twinguard.state.counters import Options

DONE, STALE, CLOSED, SEED, BLOCKED, THROTTLED, OLD = range(7)
_TURNS = 6
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
        self._reader = Reader(options.place_of, options.rules.cached)
        self._families = Families(calls)
        self._homes: set[tuple[str, str]] = set()
        self._restraints = RedisRestraints(calls)
        self._script = KeyScript(calls, options.rules)
        self._baselines = Baselines(calls, self._script, options)
        self._across = Script(words.text_of("neighbours.lua"))

    def admit(self, use: Use) -> Answer:
        """Say whether a request may pass; if so, count it and say what it shows."""
        return self._counted(use, is_open=True)

    def observe(self, use: Use) -> Answer:
        """Count a request that was served elsewhere."""
        return self._counted(use, is_open=False)

    def settle(self, use: Use) -> None:
        """Say how a request that was admitted has ended."""
        at = use.at.timestamp()
        known = self._baselines.known.get(use.key_id)
        if known is None and use.status < FAILED:
            self._seeded(self._baselines.of(use.key_id, int(at / 3600)), use)
            known = self._baselines.known.get(use.key_id)
        if known is None or int(at / 3600) != known.hour:
            return
        signature, is_fine = (use.ip, use.user_agent, use.path), use.status < FAILED
        if is_fine and (signature in known.familiar or signature in known.strange):
            return
        seen = sighted(use, known.hour, known.base, self._reader, self._rules)
        if not seen.is_idle and (is_fine or seen.is_strange):
            fields = words.ending(use, seen, known.hour, at, is_fine=is_fine)
            self._script.run(use.key_id, b"settle", **fields)
        if is_fine:
            self._remember(known, use, seen)

    def restrain(self, restraint: Restraint) -> None:
        """Hold a key back, or lift what does, on every instance."""
        self._restraints.put(restraint)
        if restraint.is_owner:
            self._baselines.accept(restraint.key_id)
        elif restraint.curb is Curb.NONE:
            self._script.run(restraint.key_id, b"rearm")

    def baseline(self, key_id: str) -> Baseline | None:
        """What was learned of a key."""
        return self._baselines.read(key_id)[1]

    def restore(self, key_id: str, base: Baseline, now: dt.datetime) -> None:
        """Put a baseline into the place of what was learned since it was lost."""
        self._baselines.restore(key_id, base, int(now.timestamp() / 3600))

    def follow(self) -> Iterator[tuple[Restraint, ...]]:
        """First everything that is in force, then what changes."""
        return self._restraints.follow()

    def _counted(self, use: Use, *, is_open: bool) -> Answer:
        """Count one use; a baseline that is missing, old or due is put right in between."""
        at = use.at.timestamp()
        is_served = use.status < FAILED and not is_open
        for _ in range(_TURNS):
            known = self._baselines.of(use.key_id, int(at / 3600))
            fields, seen = self._asked(known, use, at, is_open=is_open)
            fields["served"] = is_served and not fields.get("idle", False)
            reply = self._script.run(use.key_id, b"observe", **fields)
            is_strange = fields.get("strange", False)
            match reply[0]:
                case 0:
                    if seen is not None and not is_open:
                        self._remember(known, use, seen)
                    found: tuple[Finding, ...] = ()
                    if len(reply) > 2:  # noqa: PLR2004 - it is to be weighed
                        found = self._weigh(known, use, rw.weighed(reply), seen)
                    return Answer(findings=found, is_strange=is_strange, rate=reply[1])
                case 6:
                    return Answer(is_strange=is_strange, rate=reply[1])
                case 1:
                    self._baselines.reload(use.key_id, known.hour, reply[1])
                case 2:
                    self._baselines.learn(use.key_id, known, reply[1])
                case 3:
                    is_served = self._seeded(known, use)
                case 4:
                    return Answer(refused=read_restraint(reply[1]))
                case _:
                    return words.throttled(use.key_id, reply[1], int(reply[2]))
        raise Unavailable(f"the baseline of {use.key_id} changed {_TURNS} times meanwhile; retry")

    def _seeded(self, known: Known, use: Use) -> bool:
        """Teach the store what is known of a key; False where it may not begin yet."""
        source, _, path = self._reader.read(use)
        if known.version:  # the store lost it
            self._baselines.teach(use.key_id, known, known.base, 0, 0)
            return True
        return path not in IDLE and self._baselines.begin(use.key_id, known, source)

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
        window = reply.window(known, rules).shown_by(seen.parts)
        found = assess(use, window, base, rules)
        if found.level is None:
            return ()
        came = tuple(reply.since(*mark) for mark in marks_of(seen.source, seen.agent))
        if not self._is_first(use.key_id, found.level.rank, reply, came):
            return ()
        if reply.is_strange(rules) and found.level.rank >= HIGH and is_new:
            self._source(seen.source.address, b"flag", key=use.key_id, at=reply.at)
        return (finding(use, window, found, found.level),)

    def _is_first(
        self, key_id: str, rank: int, reply: Weighed, came: tuple[float | None, ...]
    ) -> bool:
        """Say a finding; False where as much was said before, or by somebody else meanwhile."""
        is_strange, state = reply.is_strange(self._rules), reply.state
        for _ in range(_TURNS):
            if is_said(rank, reply.told, reply.at, came, self._rules, is_strange=is_strange):
                return False
            known = {name: state[place] for name, place in rw.SAID.items()}
            mine = {"rank": rank, "at": reply.at, "strange": is_strange}
            said = self._script.run(key_id, b"tell", **mine, **known)
            if not isinstance(said, list):
                return bool(said)
            for place, value in zip(rw.SAID.values(), said, strict=True):
                state[place] = value
        return False

    def _ask_neighbours(self, use: Use, seen: Sighting, reply: Weighed) -> None:
        """What the source does on other keys; both the state here and the store's learn it."""
        asked = {"key": use.key_id, "agent": seen.agent, "at": reply.at}
        packed_reply = self._source(seen.source.address, b"seen", **asked)
        found, flagged, home = msgpack.decode(packed_reply)
        own = self._families.of(use.key_id) if found else ""
        others = [agent for key, agent in found if self._families.of(key) != own]
        keys, same_agent = len(others), seen.agent in others
        state = reply.state
        state[rw.OTHER_KEYS] = max(state[rw.OTHER_KEYS], keys)
        state[rw.SAME_AGENT] = state[rw.SAME_AGENT] or same_agent
        state[rw.FLAGGED] = state[rw.FLAGGED] or flagged
        state[rw.COLLEAGUE] = state[rw.COLLEAGUE] and home
        near = {"keys": keys, "same_agent": bool(same_agent), "flagged": bool(flagged)}
        self._script.run(use.key_id, b"neighbours", **near, home=bool(home))

    def _source(self, address: str, word: bytes, **fields: object) -> Any:  # noqa: ANN401
        return self._calls.run(self._across, b"source:" + named(address), word, packed(**fields))
