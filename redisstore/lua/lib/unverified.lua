-- Messages whose code was not entered.
--
-- There is a sorted set of them for each exchange, for each area code and for all; see
-- set.lua. Such a set has no member 'bound', because no window is longer than a day.
-- Codes that were entered are counted by quarter of an hour, in a hash for each area
-- code and for all, and for each exchange where a limit needs it.

local quarter, quartersOfDay = 900000, 96

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

-- dropEntered removes the first n codes from the list of those that were entered, once
-- they are counted. It must be the last write of a script: a server out of memory does
-- not refuse it, nor any write after it.
local function dropEntered(prefix, n)
  if n > 0 then
    redis.call('LTRIM', prefix .. 'y{all}', n, -1)
  end
end
