-- Messages whose code was not entered.
--
-- Those to an exchange, to an area code and to all stand in a sorted set each; see
-- set.lua. Codes that were entered are counted in a hash for each area code and
-- for all, by quarters of an hour.

local quarter, quartersOfDay = 900000, 96
local keepVerified = 90000000

-- ageOf returns how many quarters of an hour ago a field of such a hash began.
local function ageOf(field) return math.floor(now / quarter) - field end

-- verifiedIn returns how many codes were entered in the last 24 hours.
local function verifiedIn(key)
  local fields, n = redis.call('HGETALL', key), 0
  for i = 1, #fields, 2 do
    local age = ageOf(fields[i])
    if age >= 0 and age < quartersOfDay then
      n = n + fields[i + 1]
    end
  end
  return n
end

-- addVerified counts a code that was entered.
local function addVerified(key)
  if redis.call('HINCRBY', key, math.floor(now / quarter), 1) > 1 then
    return
  end
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if math.abs(ageOf(fields[i])) >= quartersOfDay then
      redis.call('HDEL', key, fields[i])
    end
  end
  redis.call('PEXPIRE', key, keepVerified)
end

-- verify counts a code that was entered, for what the keys from the fourth on
-- stand for, and removes its messages from the sets under the first three. It
-- counts nothing if none of them stands any more: then the call is a repetition, or
-- the code was entered after the span of its messages. Its first write is one that a
-- server out of memory refuses.
local function verify(keys, ops)
  local stands = false
  for i = 1, 3 do
    for _, op in ipairs(ops) do
      stands = stands or redis.call('ZSCORE', keys[i], op)
    end
  end
  if stands then
    for i = 4, #keys do
      addVerified(keys[i])
    end
    for i = 1, 3 do
      redis.call('ZREM', keys[i], unpack(ops))
    end
  end
end

-- opsOf returns the ops (8 bytes each) in a string from a place on.
local function opsOf(messages, at)
  local ops = {}
  for i = at, #messages, 8 do
    ops[#ops + 1] = string.sub(messages, i, i + 7)
  end
  return ops
end

-- verifyEntered counts the codes that checks have left to be counted, at most 100 so
-- that no script takes long, and returns how many. prefix is what every key begins with.
local function verifyEntered(prefix)
  local standing, verified = prefix .. 'e{all}', prefix .. 'v{all}'
  if redis.call('LLEN', prefix .. 'y{all}') == 0 then
    return 0
  end
  local entered = redis.call('LRANGE', prefix .. 'y{all}', 0, 99)
  for _, item in ipairs(entered) do
    local exchange, areaCode = string.sub(item, 2, 9), '1' .. string.sub(item, 10, 12)
    verify({ standing .. exchange, standing .. areaCode, standing .. 'all', verified .. areaCode, verified .. 'all',
      string.sub(item, 1, 1) == '1' and verified .. exchange or nil }, opsOf(item, 13))
  end
  return #entered
end

-- dropEntered removes so many of them, once they are counted. A script does it last:
-- a server out of memory does not refuse it, and nothing after it.
local function dropEntered(prefix, n)
  if n > 0 then
    redis.call('LTRIM', prefix .. 'y{all}', n, -1)
  end
end
