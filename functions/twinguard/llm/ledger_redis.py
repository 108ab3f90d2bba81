# SPDX-License-Identifier: Apache-2.0
"""The ledger in Redis or Valkey: each method is one call of one script, `ledger.lua`.

All keys of an environment share a tag, so a cluster keeps them on one shard.
Time is the server's."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from twinguard.decide import ledger_rules as rules
from twinguard.decide.ledger import (
    Budgets,
    Held,
    Limit,
    Outcome,
    Period,
    Reason,
    Refused,
    Scope,
    Settlement,
    Standing,
    Wanted,
    checked_nanos,
    period_of,
)
from twinguard.decide.ledger_rules import State
from twinguard.errors import Unavailable
from twinguard.redis_servers import Target, opened

if TYPE_CHECKING:
    import redis

    from twinguard.llm.ledger import Restore

__all__ = ["RedisLedger", "connected"]

_SCRIPT: Final = Path(__file__).with_name("ledger.lua").read_text()
_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_KEPT: Final = str(rules.REMEMBERED // _MICROSECOND)
_HISTORY: Final = dt.timedelta(days=93)
_PART: Final = 500
"""Scopes restored by one call: it must not keep others waiting."""

_REASONS = {1: Reason.BUDGET_HELD, 2: Reason.BUDGET_SPENT, 3: Reason.TOO_LARGE, 4: Reason.FINISHED}
_STATES = {state.value: state for state in State}
_Answer = list[Any]


def connected(target: Target, timeout: float = 0.5, connections: int = 64) -> redis.Redis:
    """A client for a server or a cluster that is near.

    A call that gets no answer within `timeout` is sent once more, for each may be repeated, and
    then given up: slow is worse than dead. More threads than connections wait for one."""
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisClusterException, RedisError
    from redis.retry import Retry

    options: dict[str, Any] = {
        "decode_responses": True,
        "retry": Retry(NoBackoff(), 1),
        "health_check_interval": 30,
        "max_connections": connections,
    }
    try:
        return cast("redis.Redis", opened(target, timeout, **options))
    except (RedisError, RedisClusterException) as err:
        raise Unavailable(f"{target.named} does not answer ({err}); check it") from err


class RedisLedger:
    """`Ledger` over a client of redis-py, a cluster's included, or over what makes one.

    A server that was lost answers nothing before `restore` has told what was spent and which limits
    were set: an empty server is never taken for a fresh budget. `clock` is for tests."""

    def __init__(
        self,
        client: redis.Redis | Callable[[], redis.Redis],
        environment: str,
        budgets: Budgets,
        *,
        restore: Restore,
        clock: Callable[[], dt.datetime] | None = None,
    ) -> None:
        self._opened = client if callable(client) else lambda: client
        self._budgets = budgets
        self._restore = restore
        self._clock = clock
        self._tag = f"{{twinguard:{environment}}}"
        self._fixed = [f"{self._tag}:{name}" for name in ("ledger", "leases", "limits")]
        self._period = period_of(_EPOCH)

    def hold(self, wanted: Wanted) -> Held | Refused:
        """Set money aside in all scopes or in none."""
        limits = self._limits(wanted.scopes)

        def ask(period: Period) -> _Answer:
            amounts = [str(wanted.nanos), str(wanted.lease_seconds * 1_000_000)]
            arguments = [*_span(period), *amounts, _KEPT, _ends(period), period.name]
            attempt = self._attempt(wanted.request_id, wanted.attempt)
            keys = [attempt, *self._keys(period, wanted.scopes)]
            return self._called("hold", keys, [*arguments, *limits])

        period, answer = self._now(ask)
        if answer[0] == "held":
            _, until, kept, names, named = answer
            found = tuple(self._scope(name) for name in names.split("\n"))
            return Held(
                wanted.request_id, wanted.attempt, found, int(kept), Period(named), _time(until)
            )
        _, reason, which, state, wait = answer
        standing = _standing(wanted.scopes[int(which) - 1], period, state)
        left = dt.timedelta(microseconds=int(wait))
        return rules.refused(standing, _REASONS[int(reason)], rules.patience(left))

    def settle(self, held: Held, nanos: int) -> Settlement:
        """Count what the call really cost, once."""
        checked_nanos(nanos)
        until = str((held.until - _EPOCH) // _MICROSECOND)
        arguments = [str(nanos), until, _KEPT, _ends(held.period)]
        state, kept = self._of(held, "settle", arguments)
        if state == "too late":
            return Settlement(Outcome.TOO_LATE)
        return rules.settled(_STATES.get(state), int(kept), nanos)

    def release(self, held: Held) -> bool:
        """Give back what was set aside."""
        return bool(self._of(held, "release", [_KEPT])[0] == "1")

    def totals(self, scopes: Sequence[Scope], period: Period | None = None) -> tuple[Standing, ...]:
        """How the scopes stand."""
        limits = self._limits(scopes)

        def ask(wanted: Period) -> _Answer:
            span = ["", ""] if period else _span(wanted)
            keys = [self._fixed[0], *self._keys(wanted, scopes)]
            return self._called("totals", keys, [*span, *limits])

        found, answer = (period, ask(period)) if period else self._now(ask)
        return tuple(
            _standing(scope, found, state) for scope, state in zip(scopes, answer[1:], strict=True)
        )

    def set_limit(self, limit: Limit) -> bool:
        """Take over an administrator's limit; a stale one is dropped."""
        nanos = "" if limit.nanos is None else str(limit.nanos)
        until = "" if limit.until is None else str((limit.until - _EPOCH) // _MICROSECOND)
        arguments = [str(limit.scope), nanos, until, str(limit.generation)]
        return bool(self._called("limit", [self._fixed[0]], arguments)[0] == "1")

    def raise_to(self, period: Period, spent: Mapping[Scope, int], *, last: bool = True) -> None:
        """Raise what is spent to at least this; after the last part the ledger answers again."""
        pairs = list(spent.items())
        parts = [pairs[at : at + _PART] for at in range(0, max(1, len(pairs)), _PART)]
        for number, part in enumerate(parts, 1):
            keys = [self._fixed[0], *self._keys(period, [scope for scope, _ in part])]
            done = "1" if last and number == len(parts) else "0"
            self._called("restore", keys, [_ends(period), done, *(str(n) for _, n in part)])

    @functools.cached_property
    def _client(self) -> redis.Redis:
        """Made when it is first needed: a cluster is asked for its nodes then."""
        return self._opened()

    # --- the script -----------------------------------------------------------------------------

    def _now(self, ask: Callable[[Period], _Answer]) -> tuple[Period, _Answer]:
        """The answer for the period that the server's clock is in."""
        for _ in range(3):
            period = self._period
            answer = ask(period)
            if answer[0] != "period":
                return period, answer
            self._period = period_of(_time(answer[1]))
        raise Unavailable("Redis: the server's clock jumps between months; check it")

    def _of(self, held: Held, command: str, arguments: list[str]) -> _Answer:
        keys = [self._attempt(held.request_id, held.attempt), *self._keys(held.period, held.scopes)]
        return self._called(command, keys, arguments, also=held.period)

    def _called(
        self, command: str, keys: list[str], arguments: list[str], also: Period | None = None
    ) -> _Answer:
        """The script's answer, after what was lost is restored."""
        answer = self._sent(command, keys, arguments)
        if answer[0] != "lost":
            return answer
        period = period_of(_time(answer[1]))
        for lost in {period_of(period.start - _MICROSECOND), also or period} - {period}:
            self.raise_to(lost, self._restore(lost).spent, last=False)
        known = self._restore(period)
        for limit in known.limits:
            self.set_limit(limit)
        self.raise_to(period, known.spent)
        answer = self._sent(command, keys, arguments)
        if answer[0] == "lost":
            raise Unavailable("Redis loses what it was just told; check its memory and its log")
        return answer

    def _sent(self, command: str, keys: list[str], arguments: list[str]) -> _Answer:
        import redis

        now = "" if self._clock is None else str((self._clock() - _EPOCH) // _MICROSECOND)
        parts = [*self._fixed, *keys, command, now, *arguments]
        numkeys = len(self._fixed) + len(keys)
        try:
            try:
                found: _Answer = self._client.evalsha(_SHA, numkeys, *parts)
            except redis.exceptions.NoScriptError:
                found = self._client.eval(_SCRIPT, numkeys, *parts)
        except redis.exceptions.ResponseError as err:  # out of memory, read-only, still loading
            raise Unavailable(f"Redis: the ledger is refused ({err}); check the server") from err
        except (redis.RedisError, redis.exceptions.RedisClusterException) as err:
            raise Unavailable(
                f"Redis: the ledger got no answer ({type(err).__name__}); check the server"
            ) from err
        return found

    def _attempt(self, request_id: str, attempt: int) -> str:
        return f"{self._tag}:attempt:{request_id}:{attempt}"

    def _keys(self, period: Period, scopes: Sequence[Scope]) -> list[str]:
        return [f"{self._tag}:{period.name}:{scope}" for scope in scopes]

    def _scope(self, key: str) -> Scope:
        return Scope.of(key.removeprefix(self._tag).split(":", 2)[2])

    def _limits(self, scopes: Sequence[Scope]) -> list[str]:
        found = []
        for scope in scopes:
            limit = self._budgets.limit_of(scope)
            found += [str(scope), "" if limit is None else str(limit)]
        return found


def _standing(scope: Scope, period: Period, state: Sequence[str]) -> Standing:
    limit, spent, held, generation = state
    nanos = int(limit) if limit else None
    return Standing(scope, period, nanos, int(spent), int(held), int(generation))


@functools.cache
def _span(period: Period) -> list[str]:
    return [str((moment - _EPOCH) // _MICROSECOND) for moment in (period.start, period.end)]


@functools.cache
def _ends(period: Period) -> str:
    """When a period's counts go."""
    return str((period.end + _HISTORY - _EPOCH) // _MICROSECOND)


def _time(microseconds: str) -> dt.datetime:
    return _EPOCH + int(microseconds) * _MICROSECOND
