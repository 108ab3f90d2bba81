-- SPDX-License-Identifier: Apache-2.0
-- The ledger's steps in Redis. Rules: decide/ledger_rules.py; the tests hold both alike.
--
-- KEYS[1]     {tag}:ledger          marks a ledger that was restored: without it all was lost
-- KEYS[2]     {tag}:leases          sorted set: attempts that are held, by the end of their lease
-- KEYS[3]     {tag}:limits          hash: an administrator's limits, `nanos|until|generation`
-- KEYS[4]     {tag}:attempt:…       hash of one attempt; where there is none, KEYS[1] again
-- KEYS[5…]    {tag}:PERIOD:KIND:NAME, hashes of `spent` and `held`
-- ARGV[1, 2]  the command, and a time instead of the server's (tests only)
-- Every key has the environment's tag, so all of them are in one slot of a cluster.
-- Times are microseconds of the server. Amounts come and go as text: a double is exact up to 2^53,
-- no limit and no single amount is above that, so each comparison with a limit is exact: a sum
-- beyond it is rounded, but never to below it. HINCRBY counts in 64 bits.

local command, given = ARGV[1], ARGV[2]
local ledger, leases, limits = KEYS[1], KEYS[2], KEYS[3]

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
if given ~= '' then now = tonumber(given) end

local function give_back(attempt, amount, scopes)
  if amount ~= '0' then  -- "-0" is no integer
    for key in string.gmatch(scopes, '[^\n]+') do
      redis.call('HINCRBY', key, 'held', '-' .. amount)
    end
  end
  redis.call('ZREM', leases, attempt)
end

-- What has ended is remembered so that it counts once, and in as little memory as that takes.
local function ended(attempt, state)
  redis.call('HDEL', attempt, 'nanos', 'scopes', 'period')
  redis.call('HSET', attempt, 'state', state)
end

-- Free what is past its lease: `most` attempts at once, so that one call never waits for thousands.
local function sweep(most)
  local due = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, most)
  for _, attempt in ipairs(due) do
    local found = redis.call('HMGET', attempt, 'state', 'nanos', 'scopes')
    if found[1] == 'held' then
      give_back(attempt, found[2], found[3])
      ended(attempt, 'expired')
    else
      redis.call('ZREM', leases, attempt)
    end
  end
  return #due
end

-- An attempt as it stands now: {state, until, nanos, scopes, period}, or {} if it is not known.
local function looked_up(attempt, kept)
  local found = redis.call('HMGET', attempt, 'state', 'until', 'nanos', 'scopes', 'period')
  local till = tonumber(found[2])
  if not till then return {} end
  if found[1] == 'held' and till <= now then
    give_back(attempt, found[3], found[4])
    ended(attempt, 'expired')
    found[1] = 'expired'
  end
  return till + tonumber(kept) > now and found or {}
end

local function lives_until(key, time)
  redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, math.floor((time - now) / 1000))))
end

-- Only a key that is new gets an end: what is counted lives on for a while after its period.
local function count(key, field, amount, ends)
  local is_new = redis.call('EXISTS', key) == 0
  redis.call('HINCRBY', key, field, amount)
  if is_new then lives_until(key, tonumber(ends)) end
end

local function standing(key, name, usual)
  local found = redis.call('HMGET', key, 'spent', 'held')
  local limit, generation = usual, '0'
  local set = redis.call('HGET', limits, name)
  if set then
    local nanos, till, number = string.match(set, '^([^|]*)|([^|]*)|([^|]*)$')
    if nanos ~= '' and (till == '' or tonumber(till) > now) then
      limit, generation = nanos, number
    end
  end
  return {limit, found[1] or '0', found[2] or '0', generation}
end

local function reason(state, amount)
  local limit = tonumber(state[1])
  if not limit or tonumber(state[2]) + tonumber(state[3]) + amount <= limit then return 0 end
  if amount > limit then return 3 end
  if tonumber(state[2]) + amount > limit then return 2 end
  return 1
end

-- ARGV[3…]: period's start, its end, nanos, lease, kept for, ends, period, then name and limit of
-- each scope. Answers: {'held', until, nanos, scopes, period} or
-- {'refused', reason, which scope, its standing, microseconds to the next end of a lease}.
local function hold()
  local attempt = KEYS[4]
  local amount, lease, kept, ends = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
  if now < tonumber(ARGV[3]) or now >= tonumber(ARGV[4]) then return {'period', string.format('%.0f', now)} end
  local known = looked_up(attempt, kept)
  if known[1] == 'held' then return known end
  if known[1] == 'settled' or known[1] == 'released' then
    return {'refused', 4, 1, standing(KEYS[5], ARGV[10], ARGV[11]), 0}
  end
  local function worst()
    local rank, at, how = 0, 0, nil
    for n = 5, #KEYS do
      local a = 10 + 2 * (n - 5)
      local state = standing(KEYS[n], ARGV[a], ARGV[a + 1])
      local found = reason(state, tonumber(amount))
      if found > rank then rank, at, how = found, n - 4, state end
    end
    return rank, at, how
  end
  sweep(32)
  local rank, at, how = worst()
  if rank == 1 then  -- only for want of sweeping?
    while sweep(1000) == 1000 do end
    rank, at, how = worst()
  end
  if rank > 0 then
    local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
    return {'refused', rank, at, how, first[2] and (tonumber(first[2]) - now) or 0}
  end
  local scopes = {}
  for n = 5, #KEYS do
    count(KEYS[n], 'held', amount, ends)
    scopes[#scopes + 1] = KEYS[n]
  end
  local till = string.format('%.0f', now + lease)
  local names = table.concat(scopes, '\n')
  redis.call('HSET', attempt, 'state', 'held', 'until', till, 'nanos', amount, 'scopes', names,
    'period', ARGV[9])
  lives_until(attempt, now + lease + kept)
  redis.call('ZADD', leases, till, attempt)
  return {'held', till, amount, names, ARGV[9]}
end

-- ARGV[3…]: nanos, the lease's end, kept for, ends. Answers the state before: {state, nanos held}.
local function settle()
  local attempt, amount, kept = KEYS[4], ARGV[3], tonumber(ARGV[5])
  local known = looked_up(attempt, kept)
  local state, till, scopes = known[1] or 'unknown', tonumber(known[2] or ARGV[4]), known[4]
  if state == 'settled' then return {state, '0'} end
  if state == 'unknown' and now >= till + kept then return {'too late', '0'} end
  if state == 'held' then give_back(attempt, known[3], scopes) end
  for key in string.gmatch(scopes or table.concat(KEYS, '\n', 5), '[^\n]+') do
    count(key, 'spent', amount, ARGV[6])
  end
  ended(attempt, 'settled')
  redis.call('HSET', attempt, 'until', string.format('%.0f', till))
  lives_until(attempt, till + kept)
  return {state, known[3] or '0'}
end

-- ARGV[3]: kept for. Answers 1 where something was given back.
local function release()
  local known = looked_up(KEYS[4], ARGV[3])
  if known[1] ~= 'held' then return {'0'} end
  give_back(KEYS[4], known[3], known[4])
  ended(KEYS[4], 'released')
  return {'1'}
end

-- ARGV[3…]: period's start, its end (both empty where one was asked for), then name and limit of
-- each scope.
local function totals()
  if ARGV[3] ~= '' and (now < tonumber(ARGV[3]) or now >= tonumber(ARGV[4])) then
    return {'period', string.format('%.0f', now)}
  end
  while sweep(1000) == 1000 do end
  local found = {'totals'}
  for n = 5, #KEYS do
    local a = 5 + 2 * (n - 5)
    found[#found + 1] = standing(KEYS[n], ARGV[a], ARGV[a + 1])
  end
  return found
end

-- ARGV[3…]: name, nanos, until, generation, each as text. A stale generation changes nothing.
local function limit()
  local set = redis.call('HGET', limits, ARGV[3])
  if set and tonumber(string.match(set, '([^|]*)$')) >= tonumber(ARGV[6]) then return {'0'} end
  redis.call('HSET', limits, ARGV[3], ARGV[4] .. '|' .. ARGV[5] .. '|' .. ARGV[6])
  return {'1'}
end

-- ARGV[3…]: ends, whether this is the last part, then what each scope has spent at least.
local function restore()
  for n = 5, #KEYS do
    local least = ARGV[n]
    local spent = redis.call('HGET', KEYS[n], 'spent') or '0'
    if tonumber(least) > tonumber(spent) then
      redis.call('HSET', KEYS[n], 'spent', least)
      lives_until(KEYS[n], tonumber(ARGV[3]))
    end
  end
  if ARGV[4] == '1' then redis.call('HSET', ledger, 'since', string.format('%.0f', now)) end
  return {'1'}
end

local commands = {
  hold = hold, settle = settle, release = release, totals = totals, limit = limit, restore = restore
}
if command ~= 'restore' and command ~= 'limit' and redis.call('EXISTS', ledger) == 0 then
  return {'lost', string.format('%.0f', now)}
end
return commands[command]()
