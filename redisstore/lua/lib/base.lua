-- The beginning of every script.
--
-- ARGV[1] is the deadline in milliseconds of Redis time: from then on the caller has
-- given up and the script must have no effect.
--
-- Every script returns one string: the seconds and microseconds of Redis time and an
-- answer, with blanks between. The answer 'late' means that the deadline has passed.
--
-- Lua formats numbers of more than 14 digits with an exponent, so those take %d.

local time = redis.call('TIME')
local now = time[1] * 1000 + (time[2] - time[2] % 1000) / 1000
local expired = now >= tonumber(ARGV[1])
local stamp = time[1] .. ' ' .. time[2] .. ' '

local remember = 2000 -- milliseconds to save a reply: longer than any call is retried

-- packTime returns a time in milliseconds, or another number, as 6 bytes.
local function packTime(t)
  local low = t % 16777216
  local high = (t - low) / 16777216
  return string.char((high - high % 65536) / 65536, (high % 65536 - high % 256) / 256, high % 256,
    (low - low % 65536) / 65536, (low % 65536 - low % 256) / 256, low % 256)
end

-- unpackTime returns the time that is packed at a position of a string.
local function unpackTime(s, at)
  local a, b, c, d, e, f = string.byte(s, at, at + 5)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end
