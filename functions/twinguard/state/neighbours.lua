-- SPDX-License-Identifier: Apache-2.0
-- What one source does across keys, as `decide/threats/neighbours.py` keeps it. KEYS[1] is
-- source:<address>; it lies in a slot of its own and is asked only when a stranger comes.

local DAY, WITHIN, KEPT = 86400, 3600, 64
local call = redis.call
local key = KEYS[1]

local function seen(q)
  call('HSET', key, 'key ' .. q.key, cmsgpack.pack({ q.at, q.agent }))
  call('EXPIRE', key, 60 * DAY)
  local others, oldest, count, oldest_at = {}, nil, 0, math.huge
  local all = call('HGETALL', key)
  local home, flag = '', nil
  for n = 1, #all, 2 do
    local name, data = all[n], all[n + 1]
    if name == 'home' then home = data
    elseif name == 'flag' then flag = cmsgpack.unpack(data)
    else
      local other = cmsgpack.unpack(data)
      count = count + 1
      if other[1] < oldest_at then oldest, oldest_at = name, other[1] end
      if name ~= 'key ' .. q.key and q.at - other[1] < WITHIN then
        others[#others + 1] = { string.sub(name, 5), other[2] }
      end
    end
  end
  if count > KEPT then call('HDEL', key, oldest) end
  local flagged = flag and flag[1] ~= q.key and q.at - flag[2] < 7 * DAY
  return cmsgpack.pack({ others, flagged or false, home ~= '' and home ~= q.key })
end

local function home(q)
  if call('HSETNX', key, 'home', q.key) == 1 then call('EXPIRE', key, 60 * DAY) end
  return call('HGET', key, 'home')
end

local function flag(q)
  if call('HEXISTS', key, 'home') == 0 then
    call('HSET', key, 'flag', cmsgpack.pack({ q.key, q.at }))
    call('EXPIRE', key, 60 * DAY)
  end
  return {}
end

return ({ seen = seen, home = home, flag = flag })[ARGV[1]](cmsgpack.unpack(ARGV[2]))
