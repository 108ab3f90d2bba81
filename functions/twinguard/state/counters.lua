-- SPDX-License-Identifier: Apache-2.0
-- One key's recent use, moved on by one use, as `decide/threats/memory.py` does it: both give the
-- same answers, and tests/contract/test_counters.py holds them to it. KEYS[1] is throttled:<id>;
-- all that is kept of the key hashes to its slot. RULES stands in front of this text.
--
-- ARGV[1] what to do, ARGV[2] its packed arguments, ARGV[3] a baseline to keep. Replies begin with a word, and are packed, but
-- for those that hold bytes. A baseline is kept as <version>:<bytes>.

local DONE, STALE, CLOSED, SEED, BLOCKED, THROTTLED, OLD = 0, 1, 2, 3, 4, 5, 6
local ID = '{' .. KEYS[1] .. '}:'
local HOT = ID .. 'hot'

-- What is kept, by its place in the packed list.
local AT, DIGEST, HOUR, REQUESTS, STRANGERS, PEAK_60, PEAK_10, CONCURRENT = 1, 2, 3, 4, 5, 6, 7, 8
local MINUTE, TEN, HOURLY, STRANGE_MINUTE, STRANGE_HOUR, SERVED = 9, 12, 15, 18, 21, 24
local KNOWN_AT, KNOWN_COUNTRY, WAS_STRANGE, STRANGE_PEAK, QUIET_PEAK = 27, 28, 29, 30, 31
local VOLUME, VOLUME_AT, ALARM, SHORT, VERSION, LEASE = 32, 33, 34, 35, 36, 37
local IS_OPEN, SINCE, LAST, STRANGE, SUCCEEDED, FAILED, CHANGES, TOLD, TOLD_AT, NEXT_CHECK =
  38, 39, 40, 41, 42, 43, 44, 45, 46, 47
local HOURS, HOUR_LAST, KINDS, LISTING, SCANNER, GENERIC, FLAGGED, SAME_AGENT, COLLEAGUE =
  48, 49, 50, 51, 52, 53, 54, 55, 56
local OTHER_KEYS, PATHS, REFUSED, SIZE = 57, 58, 59, 59
local EPISODE = IS_OPEN -- all from here to PATHS belong to the episode

local DAY, ACTIVE = 86400, 3600
local TOLD_SECONDS = 14 * DAY
local LONGEST = 15 * DAY -- until a key that nobody uses is forgotten; what is learned stays longer
local LEARNED = 60 * DAY
local MOST_VALUES = 4096
local call = redis.call
local q = cmsgpack.unpack(ARGV[2])

-- Count one in two buckets of a sliding window, and say how many there are.
local function add(s, n, seconds, at)
  local place = at / seconds
  local bucket = math.floor(place)
  if bucket ~= s[n] then
    s[n + 2] = bucket == s[n] + 1 and s[n + 1] or 0
    s[n], s[n + 1] = bucket, 0
  end
  s[n + 1] = s[n + 1] + 1
  return s[n + 1] + s[n + 2] * (1 - place + bucket)
end

-- The short way of most uses, before anything else is even defined, for that takes longer than all
-- of this: known use of a key that nothing holds back. What goes beyond it takes the long way,
-- from the beginning: nothing was written.
if ARGV[1] == 'observe' and not q.novel then
  local kept = call('MGET', HOT, ID .. 'block', KEYS[1])
  local s = kept[1] and cmsgpack.unpack(kept[1])
  local at = q.at
  if s and not (q.enforced and (kept[2] or kept[3])) and s[VERSION] == q.version and at > s[AT]
    and math.floor(at / 3600) == s[HOUR] and s[LEASE] == 0 then
    s[AT], s[DIGEST], s[KNOWN_AT] = at, q.digest, at
    s[REQUESTS] = s[REQUESTS] + 1
    add(s, HOURLY, 3600, at)
    local r60, r10 = add(s, MINUTE, 60, at), add(s, TEN, 10, at)
    if r60 > s[PEAK_60] then s[PEAK_60] = r60 end
    if r10 > s[PEAK_10] then s[PEAK_10] = r10 end
    if s[WAS_STRANGE] == 1 then
      s[WAS_STRANGE] = 0
      if s[IS_OPEN] == 1 then s[CHANGES] = s[CHANGES] + 1 end
    end
    if s[ALARM] == 0 then s[ALARM], s[SHORT] = q.limit, q.short end
    if r60 <= s[ALARM] and r10 <= s[SHORT] then
      call('SET', HOT, cmsgpack.pack(s), 'EX', LONGEST)
      return cmsgpack.pack({ DONE, 0 })
    end
  end
end

local function fresh()
  local s = {}
  for n = 1, SIZE do s[n] = 0 end
  s[DIGEST], s[KNOWN_COUNTRY], s[KINDS] = '', '', ''
  return s
end

local function read()
  local raw = call('GET', HOT)
  return raw and cmsgpack.unpack(raw)
end

local function version_of(base)
  return base and tonumber(string.match(base, '^(%d+):')) or 0
end

-- A key that nothing was served to yet (version 0) is kept for a short while only: anybody can make
-- such keys up.
local function write(s)
  call('SET', HOT, cmsgpack.pack(s), 'EX', s[VERSION] == 0 and RULES.brief or LONGEST)
end

local function value(s, n, seconds, at)
  local place = at / seconds
  local bucket = math.floor(place)
  if bucket == s[n] then return s[n + 1] + s[n + 2] * (1 - place + bucket) end
  return bucket == s[n] + 1 and s[n + 1] * (1 - place + bucket) or 0
end

local function told_of(network, at)
  local raw = call('HGET', ID .. 'told', network)
  if not raw then return 0 end
  local told = cmsgpack.unpack(raw)
  return at - told[2] < TOLD_SECONDS and told[1] or 0
end

local function tell_networks(s, at)
  local key = ID .. 'told'
  for _, network in ipairs(call('SMEMBERS', ID .. 'networks')) do
    call('HSET', key, network, cmsgpack.pack({ s[TOLD], at }))
  end
  call('EXPIRE', key, TOLD_SECONDS)
  local excess = call('HLEN', key) - RULES.strangers
  if excess > 0 then
    local all = call('HGETALL', key)
    local names = {}
    for n = 1, #all, 2 do names[#names + 1] = { cmsgpack.unpack(all[n + 1])[2], all[n] } end
    table.sort(names, function(a, b) return a[1] < b[1] end)
    for n = 1, excess do call('HDEL', key, names[n][2]) end
  end
end

-- Note that a new value is used; true where it was not lately.
local function note_novel(novel, at)
  local dimension, name, churn = novel[1], novel[2], novel[3]
  local key, field = ID .. 'new' .. dimension, dimension .. ' ' .. name
  local last = call('ZSCORE', key, name)
  if last then
    call('ZADD', key, at, name)
    call('EXPIRE', key, 2 * DAY)
    return at - tonumber(last) > ACTIVE
  end
  if call('ZCARD', key) >= RULES.strangers then
    local gone = call('ZPOPMIN', key)
    call('HDEL', ID .. 'since', dimension .. ' ' .. gone[1])
  end
  call('ZADD', key, at, name)
  call('HSET', ID .. 'since', field, cmsgpack.pack({ at, churn }))
  call('EXPIRE', key, 2 * DAY)
  call('EXPIRE', ID .. 'since', 2 * DAY)
  return true
end

local function note_values(values)
  local key = ID .. 'values'
  if #values > 0 and call('SCARD', key) < MOST_VALUES then
    call('SADD', key, unpack(values))
    call('EXPIRE', key, LONGEST)
  end
end

local function take_turns(s)
  if s[WAS_STRANGE] == 1 then
    s[WAS_STRANGE] = 0
    if s[IS_OPEN] == 1 then s[CHANGES] = s[CHANGES] + 1 end
  end
end

local function is_suspect(s)
  return s[IS_OPEN] == 1 and s[TOLD] >= 2
end

-- The hour that ended, for somebody to learn from; it is kept until that is done.
local function close(s, hour, at)
  local tally = { s[HOUR], s[REQUESTS], s[STRANGERS], s[PEAK_60], s[PEAK_10], s[CONCURRENT],
    is_suspect(s) and 1 or 0, s[QUIET_PEAK], call('SMEMBERS', ID .. 'values') }
  call('RPUSH', ID .. 'ended', cmsgpack.pack(tally))
  call('LTRIM', ID .. 'ended', -48, -1)
  call('EXPIRE', ID .. 'ended', LONGEST)
  call('DEL', ID .. 'values')
  s[STRANGE_PEAK] = math.max(s[STRANGE_PEAK], s[STRANGERS])
  s[HOUR], s[REQUESTS], s[STRANGERS], s[PEAK_60], s[PEAK_10] = hour, 0, 0, 0, 0
  s[CONCURRENT], s[QUIET_PEAK], s[ALARM], s[SHORT] = 0, 0, 0, 0
  for dimension = 0, 5 do
    local key, before = ID .. 'new' .. dimension, '(' .. string.format('%.17g', at - DAY)
    for _, name in ipairs(call('ZRANGEBYSCORE', key, '-inf', before)) do
      call('ZREM', key, name)
      call('HDEL', ID .. 'since', dimension .. ' ' .. name)
    end
  end
end

local function hand_over(s, at)
  s[LEASE] = at + RULES.lease
  write(s)
  local ended = {}
  for n, tally in ipairs(call('LRANGE', ID .. 'ended', 0, -1)) do
    ended[n] = cmsgpack.unpack(tally)
  end
  return cmsgpack.pack({ CLOSED, ended })
end

local function episode(s, at)
  if s[IS_OPEN] == 1 and at - s[LAST] <= RULES.quiet and at - s[SINCE] <= RULES.longest then
    return
  end
  if s[IS_OPEN] == 1 then
    if s[TOLD] < 2 then s[QUIET_PEAK] = math.max(s[QUIET_PEAK], s[STRANGE_PEAK]) end
    if s[TOLD] > 0 then tell_networks(s, at) end
  end
  s[STRANGE_PEAK] = 0
  for n = EPISODE, PATHS do s[n] = 0 end
  s[IS_OPEN], s[SINCE], s[LAST], s[NEXT_CHECK], s[COLLEAGUE], s[KINDS] = 1, at, at, 1, 1, ''
  call('DEL', ID .. 'networks', ID .. 'paths')
end

local function note_failure(s, path)
  s[FAILED] = s[FAILED] + 1
  if s[PATHS] < 16 and call('SADD', ID .. 'paths', path) == 1 then
    s[PATHS] = s[PATHS] + 1
    call('EXPIRE', ID .. 'paths', LONGEST)
  end
end

local function known(s, q, at)
  local is_news = false
  for _, novel in ipairs(q.novel) do
    if note_novel(novel, at) and novel[1] == 1 then is_news = true end
  end
  s[KNOWN_AT] = at
  if q.country ~= '' then s[KNOWN_COUNTRY] = q.country end
  local key = ID .. 'recent'
  call('ZADD', key, at, q.network)
  s[CONCURRENT] = math.max(s[CONCURRENT], call('ZCOUNT', key, at - RULES.active, '+inf'))
  if call('ZCARD', key) > 48 then call('ZREMRANGEBYRANK', key, 0, -17) end
  call('EXPIRE', key, 2 * DAY)
  take_turns(s)
  return is_news
end

local function stranger(s, q, at)
  episode(s, at)
  local is_news = false
  for _, novel in ipairs(q.novel) do
    if note_novel(novel, at) then is_news = true end
  end
  s[LAST], s[STRANGE], s[STRANGERS] = at, s[STRANGE] + 1, s[STRANGERS] + 1
  if s[HOUR_LAST] ~= s[HOUR] then s[HOUR_LAST], s[HOURS] = s[HOUR], s[HOURS] + 1 end
  add(s, STRANGE_MINUTE, 60, at)
  add(s, STRANGE_HOUR, 3600, at)
  if s[WAS_STRANGE] == 0 then
    s[WAS_STRANGE] = 1
    if s[KNOWN_AT] > s[SINCE] then s[CHANGES] = s[CHANGES] + 1 end
  end
  if q.failed then
    note_failure(s, q.failed)
    is_news = true
  else
    s[SUCCEEDED] = s[SUCCEEDED] + 1
  end
  if is_news then
    local kind = '|' .. q.kind .. '|'
    if not string.find(s[KINDS], kind, 1, true) then s[KINDS] = s[KINDS] .. kind end
    if call('SCARD', ID .. 'networks') < RULES.strangers then
      call('SADD', ID .. 'networks', q.network)
      call('EXPIRE', ID .. 'networks', LONGEST)
    end
    if q.listing then s[LISTING] = 1 end
    if q.scanner then s[SCANNER] = 1 end
    if q.generic then s[GENERIC] = 1 end
    if not q.asks then s[COLLEAGUE] = 0 end
  end
  if s[STRANGE] >= s[NEXT_CHECK] or is_news then
    s[NEXT_CHECK] = math.max(s[STRANGE] + 1, math.floor(s[STRANGE] * 1.15))
    return true, is_news
  end
  return false, is_news
end

-- What is new and was used within the hour: by dimension, lists of value, since and churn.
local function active(at)
  local found = {}
  for dimension = 0, 5 do
    local names = call('ZRANGEBYSCORE', ID .. 'new' .. dimension, at - ACTIVE, '+inf')
    local fields, values = {}, {}
    for n, name in ipairs(names) do fields[n] = dimension .. ' ' .. name end
    if #fields > 0 then
      for n, packed in ipairs(call('HMGET', ID .. 'since', unpack(fields))) do
        if packed then
          local since = cmsgpack.unpack(packed)
          values[#values + 1] = { names[n], since[1], since[2] }
        end
      end
    end
    found[dimension + 1] = values
  end
  return found
end

local function window(s, at, network)
  local seen = s[IS_OPEN] == 1 and s[STRANGE] > 0 and active(at) or {}
  return { value(s, HOURLY, 3600, at), call('ZCOUNT', ID .. 'recent', at - RULES.active, '+inf'),
    value(s, STRANGE_MINUTE, 60, at), value(s, STRANGE_HOUR, 3600, at), seen,
    told_of(network, at) }
end

-- Seconds until one more fits under the rate; nil where it fits now.
local function wait(s, rate, at)
  local place = at / 60
  local bucket = math.floor(place)
  local past = place - bucket
  local count, before = 0, 0
  if bucket == s[SERVED] then
    count, before = s[SERVED + 1], s[SERVED + 2]
  elseif bucket == s[SERVED] + 1 then
    before = s[SERVED + 1]
  end
  if count + before * (1 - past) + 1 <= rate then return nil end
  if count + 1 <= rate then return 60 * (1 - past - (rate - 1 - count) / before) end
  return 60 * (1 - past + math.max(0, 1 - (rate - 1) / count))
end

-- The volume of a key that nothing was served to, once it is of another hour or before a pause.
local function is_forgotten(s)
  return s[VERSION] == 0 and (q.hour > s[HOUR] or q.at - s[AT] > RULES.brief)
end

local function observe()
  local kept = call('MGET', HOT, ID .. 'block', KEYS[1])
  local s = kept[1] and cmsgpack.unpack(kept[1])
  local at, rate = q.at, 0
  if q.enforced then
    if kept[2] then
      if s then
        s[REFUSED] = s[REFUSED] + 1
        write(s)
      end
      return { BLOCKED, kept[2] }
    end
    rate = tonumber(kept[3] or 0)
    local seconds = s and rate > 0 and wait(s, rate, math.max(at, s[SERVED] * 60))
    if seconds then
      s[REFUSED] = s[REFUSED] + 1
      write(s)
      return cmsgpack.pack({ THROTTLED, seconds, rate })
    end
  end
  if s and is_forgotten(s) then
    call('DEL', HOT)
    s = nil
  end
  if not s then
    s = fresh()
    s[HOUR], s[VERSION] = q.hour, version_of(call('GET', ID .. 'base'))
  end
  if s[VERSION] == 0 and (q.served or q.version > 0) then return cmsgpack.pack({ SEED }) end
  if s[VERSION] ~= q.version then
    local base = call('GET', ID .. 'base')
    if base then return { STALE, base } end
    if q.version > 0 or q.served then return cmsgpack.pack({ SEED }) end
    s = fresh() -- its baseline is lost, and it has yet to begin again
    s[HOUR] = q.hour
  end
  if at <= s[AT] then
    -- A request that is here now is not late: another instance's clock is ahead.
    local is_late = at < s[AT] - RULES.late and not q.enforced
    if is_late or (q.digest ~= '' and q.digest == s[DIGEST]) then
      if rate > 0 then
        add(s, SERVED, 60, math.max(at, s[SERVED] * 60))
        write(s)
      end
      return cmsgpack.pack({ OLD, rate })
    end
    at = s[AT]
  end
  local hour = math.floor(at / 3600)
  if hour ~= s[HOUR] then
    close(s, hour, at)
    return hand_over(s, at)
  elseif s[LEASE] > 0 and s[LEASE] <= at then
    return hand_over(s, at)
  end
  s[AT], s[DIGEST] = at, q.digest
  s[REQUESTS] = s[REQUESTS] + 1
  if rate > 0 then add(s, SERVED, 60, math.max(q.at, s[SERVED] * 60)) end
  add(s, HOURLY, 3600, at)
  local r60, r10 = add(s, MINUTE, 60, at), add(s, TEN, 10, at)
  if r60 > s[PEAK_60] then s[PEAK_60] = r60 end
  if r10 > s[PEAK_10] then s[PEAK_10] = r10 end
  local is_due, is_news = false, false
  if q.values then
    if not (q.strange and (is_suspect(s) or told_of(q.network, at) >= 3)) then
      note_values(q.values)
    end
  end
  if s[VERSION] == 0 then
    is_due = false -- nothing is remembered of it but its volume
  elseif q.strange then
    is_due, is_news = stranger(s, q, at)
  elseif q.idle then
    is_due = false -- it says nothing of whose use it is
  elseif q.novel then
    is_due = known(s, q, at)
  else
    s[KNOWN_AT] = at
    take_turns(s)
  end
  if s[ALARM] == 0 then s[ALARM], s[SHORT] = q.limit, q.short end
  if not is_due and r60 <= s[ALARM] and r10 <= s[SHORT] then
    write(s)
    return cmsgpack.pack({ DONE, rate })
  end
  if r60 > s[ALARM] or r10 > s[SHORT] then
    s[ALARM] = math.max(r60, s[ALARM]) * 1.5
    s[SHORT] = math.max(r10, s[SHORT]) * 1.5
  end
  write(s)
  return cmsgpack.pack({ DONE, rate, at, r60, r10, is_news, s, window(s, at, q.network) })
end

-- How a use ended that was admitted before anybody knew.
local function settle()
  local s = read()
  if not s or s[HOUR] ~= q.hour then return 0 end
  if q.failed then
    if s[IS_OPEN] == 1 and s[STRANGE] > 0 and s[SUCCEEDED] > 0 then
      s[SUCCEEDED] = s[SUCCEEDED] - 1
      note_failure(s, q.failed)
      s[NEXT_CHECK] = s[STRANGE]
      write(s)
    end
  elseif not (q.strange and (is_suspect(s) or told_of(q.network, q.at) >= 3)) then
    note_values(q.values)
  end
  return 1
end

-- Put a baseline in the place of the one it was learned from.
local function teach()
  if version_of(call('GET', ID .. 'base')) ~= q.expected then return 0 end
  call('SET', ID .. 'base', q.version .. ':' .. ARGV[3], 'EX', LEARNED)
  if q.taken > 0 then call('LTRIM', ID .. 'ended', q.taken, -1) end
  local s = read()
  if not s or (s[VERSION] == 0 and s[HOUR] ~= q.hour) then s = fresh() end
  if s[HOUR] == 0 then s[HOUR] = q.hour end
  s[VERSION], s[LEASE] = q.version, 0
  write(s)
  return 1
end

-- What the neighbours say of a stranger that has come.
local function neighbours()
  local s = read()
  if not s then return 0 end
  s[OTHER_KEYS] = math.max(s[OTHER_KEYS], q.keys)
  if q.same_agent then s[SAME_AGENT] = 1 end
  if q.flagged then s[FLAGGED] = 1 end
  if not q.home then s[COLLEAGUE] = 0 end
  write(s)
  return 1
end

-- Say a finding, unless somebody else said one since: what that was, then, for the caller to judge.
local function tell()
  local s = read()
  if not s then return 0 end
  if s[VOLUME] ~= q.volume or s[VOLUME_AT] ~= q.volume_at or s[TOLD] ~= q.told
    or s[TOLD_AT] ~= q.told_at then
    return cmsgpack.pack({ s[TOLD], s[TOLD_AT], s[VOLUME], s[VOLUME_AT] })
  end
  if q.strange then
    s[TOLD], s[TOLD_AT] = math.max(q.rank, s[TOLD]), q.at
  else
    s[VOLUME], s[VOLUME_AT] = q.rank, q.at
  end
  write(s)
  return 1
end

-- Forget what was said, so that it is said again.
local function rearm()
  local s = read()
  if s then
    s[TOLD], s[TOLD_AT], s[VOLUME], s[VOLUME_AT], s[NEXT_CHECK] = 0, 0, 0, 0, s[STRANGE]
    s[LAST] = s[LAST] - RULES.active - 1 -- the owner's next use is none of the stranger's
    write(s)
  end
  call('DEL', ID .. 'told')
  return 1
end

-- End what is strange: its values, for somebody to trust them.
local function accept()
  local s, found = read(), {}
  for dimension = 0, 5 do
    found[dimension + 1] = call('ZRANGE', ID .. 'new' .. dimension, 0, -1)
    call('DEL', ID .. 'new' .. dimension)
  end
  call('DEL', ID .. 'since', ID .. 'told', ID .. 'networks', ID .. 'paths')
  if s then
    for n = EPISODE, PATHS do s[n] = 0 end
    s[KINDS] = ''
    write(s)
  end
  local rest = cmsgpack.pack({ found, s and s[QUIET_PEAK] or 0 })
  return { s and s[HOUR] or 0, call('GET', ID .. 'base') or '', rest }
end

local WORDS = { observe = observe, settle = settle, teach = teach, neighbours = neighbours,
  tell = tell, accept = accept,
  rearm = rearm }
return WORDS[ARGV[1]]()
