# SPDX-License-Identifier: Apache-2.0
"""`Limits` in Redis: one script for a request, by the server's clock.

Keys carry the environment as a hash tag: in a cluster, all scopes of a request are on one node."""

from __future__ import annotations

from twinguard.decide.minutes import CELL, CELLS, Allowance, Exceeded, Taken
from twinguard.llm.patience import Patience
from twinguard.redis_servers import Target, awaited

_TIMEOUT = 0.5
"""Seconds; a slow store is worse than a dead one."""

_NONE = -1
_WHAT = "the store of limits"

# KEYS: a hash for each scope, its fields r<cell> and t<cell>. ARGV: tokens, each scope's limits.
_TAKE = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local cell = math.floor(now / {CELL})
local wanted = {{r = 1, t = tonumber(ARGV[1])}}
local worst, which, unit = 0, 0, ''
for index, key in ipairs(KEYS) do
  local used, stale = {{r = {{}}, t = {{}}}}, {{}}
  local fields = redis.call('HGETALL', key)
  for at = 1, #fields, 2 do
    local kind, number = string.sub(fields[at], 1, 1), tonumber(string.sub(fields[at], 2))
    if number > cell - {CELLS} then
      table.insert(used[kind], {{number, tonumber(fields[at + 1])}})
    else
      table.insert(stale, fields[at])
    end
  end
  if #stale > 0 then redis.call('HDEL', key, unpack(stale)) end
  for place, kind in ipairs({{'r', 't'}}) do
    local limit = tonumber(ARGV[2 * index + place - 1])
    local left = wanted[kind] - limit
    for _, one in ipairs(used[kind]) do left = left + one[2] end
    if limit >= 0 and left > 0 then
      table.sort(used[kind], function(a, b) return a[1] < b[1] end)
      local wait = 0
      for _, one in ipairs(used[kind]) do
        if left > 0 then
          left = left - one[2]
          wait = (one[1] + {CELLS}) * {CELL} - now
        end
      end
      if left > 0 then wait = 9007199254740991 end
      if wait > worst then worst, which, unit = wait, index, kind end
    end
  end
end
if which > 0 then return {{0, which, unit, string.format('%.0f', worst)}} end
for _, key in ipairs(KEYS) do
  redis.call('HINCRBY', key, 'r' .. cell, 1)
  redis.call('HINCRBY', key, 't' .. cell, ARGV[1])
  redis.call('PEXPIRE', key, {CELL * (CELLS + 1)})
end
return {{1, cell}}
"""

# A cell that is gone stays gone: its minute is over.
_CORRECT = """
for _, key in ipairs(KEYS) do
  if redis.call('HEXISTS', key, ARGV[1]) == 1 then
    redis.call('HINCRBY', key, ARGV[1], ARGV[2])
  end
end
"""


class RedisLimits:
    """`Limits` that all instances share."""

    def __init__(self, target: Target, environment: str) -> None:
        self._client = awaited(target, _TIMEOUT)
        self._patience = Patience()
        self._take = self._client.register_script(_TAKE)
        self._correct = self._client.register_script(_CORRECT)
        self._prefix = f"twinguard:{{{environment}}}:rate:"

    async def take(self, allowances: tuple[Allowance, ...], tokens: int) -> Taken | Exceeded:
        """Count a request, if all scopes have room."""
        limits = [
            _NONE if limit is None else limit
            for one in allowances
            for limit in (one.requests, one.tokens)
        ]
        with self._patience.asking(_WHAT):
            found = await self._take(keys=self._keys(allowances), args=[tokens, *limits])
        if found[0]:
            return Taken(allowances, int(found[1]), tokens)
        over = allowances[int(found[1]) - 1]
        unit = "requests" if found[2] == b"r" else "tokens"
        limit = over.requests if unit == "requests" else over.tokens
        wait = int(found[3]) / 1000
        never = limit is not None and (tokens if unit == "tokens" else 1) > limit
        return Exceeded(over.scope, unit, limit or 0, None if never else wait)

    async def correct(self, taken: Taken, tokens: int) -> None:
        """Count the real tokens, unless their minute is over."""
        arguments: list[str | int] = [f"t{taken.cell}", tokens - taken.tokens]
        with self._patience.asking(_WHAT):
            await self._correct(keys=self._keys(taken.allowances), args=arguments)

    async def close(self) -> None:
        """Drop the connections."""
        await self._client.aclose()

    def _keys(self, allowances: tuple[Allowance, ...]) -> list[str]:
        return [self._prefix + one.scope for one in allowances]
