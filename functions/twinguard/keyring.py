# SPDX-License-Identifier: Apache-2.0
"""Turn a key that somebody shows into the id that it has everywhere: the one look-up for that.

A customer's key is called by its public id once the store says that the secret is right, any other
key by a keyed digest. What a text only claims to be names nobody."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from twinguard.customer_keys import CustomerKeys
from twinguard.decide.customer_keys import CustomerKey, Presented, Reason, Refusal
from twinguard.errors import Misconfigured, Unavailable
from twinguard.fuse import Fuse
from twinguard.peppers import Peppers

_log = logging.getLogger("twinguard")

SECONDS = 60.0
"""How long a look-up counts where it only says whose a key is: that never changes."""

PATIENCE = 2.0
"""Seconds that a request waits for the store of keys."""

_KEPT = 10_000
_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


class Named(Struct, frozen=True):
    """A key that was shown. `id` is what it is called; one of `others` that is blocked blocks it.

    `found` is what the store of keys says of it. `is_sure`: nobody but this key has that id;
    without it the store does not answer and never did. `is_fresh`: it was asked lately."""

    id: str
    others: tuple[str, ...] = ()
    found: CustomerKey | Refusal = Refusal(Reason.UNKNOWN)
    is_sure: bool = True
    is_fresh: bool = True

    @property
    def is_customers(self) -> bool:
        """True for a secret of a customer's key."""
        return self.id == self.found.id


class Keyring:
    """The keys of one environment, as one process has seen them. `seconds`: how long that counts.

    Remembers digests, never a key. Safe to use from several threads."""

    def __init__(
        self,
        keys: CustomerKeys,
        peppers: Peppers,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        seconds: float = SECONDS,
    ) -> None:
        self._keys, self._peppers = keys, peppers
        self._clock, self._seconds = clock, dt.timedelta(seconds=seconds)
        self._good, self._bad = _Shelf(), _Shelf()
        """Apart, so that nobody can push good keys out with made-up ones."""
        self._forgotten = 0
        self._asking: dict[bytes, asyncio.Future[Named]] = {}
        self._fuse = Fuse()

    async def named(self, raw: str) -> Named:
        """What a key is; only one request asks the store, and the others wait for its answer."""
        if (known := self._known(raw)) is not None:
            return known
        digest = _digest(raw)
        asking = self._asking.get(digest)
        if is_first := asking is None:
            asking = asyncio.ensure_future(asyncio.to_thread(self._asked, raw))
            self._asking[digest] = asking
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        try:
            return await asyncio.wait_for(asyncio.shield(asking), PATIENCE)
        except TimeoutError:
            if is_first:  # one look-up fails once, however many wait for it
                self._failed(f"no answer within {PATIENCE:g} seconds")
            return self._without(raw)

    def name(self, raw: str) -> Named:
        """The same, for who waits himself."""
        return self._known(raw) or self._asked(raw)

    def forget(self, key_id: str) -> None:
        """Ask anew whose secrets are this key's: one may have been rotated out meanwhile."""
        self._forgotten += 1  # what is being looked up now may be of before
        self._good.expire(key_id)

    def is_down(self) -> bool:
        """True while the store of keys does not answer."""
        return self._fuse.is_blown

    def _known(self, raw: str) -> Named | None:
        """What needs no store: what was asked lately, and what is no key of ours."""
        kept = self._kept(raw)
        if kept is not None and self._clock() < kept.until:
            return kept.named
        given = self._keys.given(raw)
        return self._called(raw, given) if isinstance(given, Refusal) else None

    def _kept(self, raw: str) -> _Kept | None:
        digest = _digest(raw)
        return self._good.get(digest) or self._bad.get(digest)

    def _asked(self, raw: str) -> Named:
        if not self._fuse.may_ask(time.monotonic()):
            return self._without(raw)
        now, forgotten = self._clock(), self._forgotten
        try:
            found = self._keys.look_up(raw, now)
        except Unavailable as err:
            self._failed(str(err))
            return self._without(raw)
        except Misconfigured as err:  # this record, or the way to all of them
            _log.error("a key cannot be looked up: %s", err)
            return self._without(raw)
        self._fuse.went_well()
        named, digest = self._called(raw, found), _digest(raw)
        is_good = bool(_owner(found))
        (self._bad if is_good else self._good).drop(digest)
        until = now + self._seconds if forgotten == self._forgotten else _LONG_AGO
        (self._good if is_good else self._bad).put(digest, _Kept(until, named))
        return named

    def _called(self, raw: str, found: CustomerKey | Refusal) -> Named:
        """By its owner's id, else by its digest; a secret that was rotated out stays blocked."""
        digests = self._peppers.key_ids(raw)
        if own := _owner(found):
            return Named(own, digests, found)
        is_old = isinstance(found, Refusal) and found.reason is Reason.RETIRED
        others = (*digests[1:], found.id) if is_old else digests[1:]
        return Named(digests[0], others, found)

    def _without(self, raw: str) -> Named:
        """What was known before; else nobody's, but blocked as the key that it claims to be."""
        if (kept := self._kept(raw)) is not None:
            return replace(kept.named, is_fresh=False)
        given, digests = self._keys.given(raw), self._peppers.key_ids(raw)
        claimed = (given.id,) if isinstance(given, Presented) else ()
        return Named(digests[0], (*digests[1:], *claimed), is_sure=False, is_fresh=False)

    def _failed(self, why: str) -> None:
        if self._fuse.failed(time.monotonic()):
            _log.error("the store of keys does not answer; keys that were seen stay known: %s", why)


class _Kept(Struct, frozen=True):
    """A look-up, and until when it counts."""

    until: dt.datetime
    named: Named


class _Shelf:
    """The newest look-ups by digest of the key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> _Kept | None:
        return self._kept.get(digest)

    def put(self, digest: bytes, kept: _Kept) -> None:
        with self._lock:
            self._kept[digest] = kept
            self._kept.move_to_end(digest)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        with self._lock:
            self._kept.pop(digest, None)

    def expire(self, key_id: str) -> None:
        """Let what is known of a key count only while the store cannot be asked."""
        with self._lock:
            for digest, kept in self._kept.items():
                if kept.named.id == key_id:
                    self._kept[digest] = replace(kept, until=_LONG_AGO)


def _owner(found: CustomerKey | Refusal) -> str:
    """The id of the key whose secret this is; empty for one that was rotated out, or nobody's.

    What is done with an old secret is not the key's: a thief could get its new one blocked."""
    if isinstance(found, CustomerKey) or found.reason in {Reason.DISABLED, Reason.EXPIRED}:
        return found.id
    return ""


def _digest(raw: str) -> bytes:
    return hashlib.sha256(raw.encode(errors="surrogatepass")).digest()
