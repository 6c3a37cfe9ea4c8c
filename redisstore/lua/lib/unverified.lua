-- Messages whose code was not entered.
--
-- There is a sorted set of them for each exchange, for each area code and for all; see
-- set.lua. Such a set has no member 'bound', because no window is longer than a day.
-- Codes that were entered are counted by quarter of an hour, in a hash for each area
-- code and for all, and for each exchange where a limit needs it.

local quarter, quartersOfDay, day = 900000, 96, 86400000
local keepUnverified = '90000000' -- milliseconds: an hour longer than any window

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

-- subjectOf returns what is counted under a letter: the exchange (e) or the area code (c)
-- of a destination, or all (a). A destination is an exchange (8) and an area code (3).
local function subjectOf(letter, destination)
  return letter == 'e' and string.sub(destination, 1, 8) or letter == 'c' and '1' .. string.sub(destination, 9) or 'all'
end

-- messagesOf returns the key of the messages of a subject.
local function messagesOf(prefix, subject) return prefix .. 'e{all}' .. subject end

-- verifiedOf returns the key of the codes of a subject that were entered.
local function verifiedOf(prefix, subject) return prefix .. 'v{all}' .. subject end

-- shareOf returns a percentage of the codes of a subject that were entered.
local function shareOf(prefix, subject, percentage)
  return percentage > 0 and math.floor(percentage * verifiedIn(verifiedOf(prefix, subject)) / 100) or 0
end

-- dropEntered removes the first n codes from the list of those that were entered, once
-- they are counted. It must be the last write of a script: a server out of memory does
-- not refuse it, nor any write after it.
local function dropEntered(prefix, n)
  if n > 0 then
    redis.call('LTRIM', prefix .. 'y{all}', n, -1)
  end
end
