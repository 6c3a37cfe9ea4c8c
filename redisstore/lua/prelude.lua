-- Runs before every script of this folder.
--
-- ARGV[1] of each is its deadline in milliseconds of Redis time: from then on
-- the caller has given up and the script must have no effect. Every script
-- returns {now, answer, …}; the answer "late" means that it had none.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local late = now >= tonumber(ARGV[1])

-- full tells whether a log of events lets no further one in. The windows are
-- ARGV[first], ARGV[first + 1] (how many in how many milliseconds) and so on
-- up to ARGV[last]. Returns the index in ARGV of the window that clears last
-- and the milliseconds until then, or nil.
local function full(log, first, last)
  local window, wait = nil, 0
  for i = first, last, 2 do
    local nth = redis.call('ZREVRANGE', log, ARGV[i] - 1, ARGV[i] - 1, 'WITHSCORES')
    if nth[2] and nth[2] + ARGV[i + 1] - now > wait then
      window, wait = i, nth[2] + ARGV[i + 1] - now
    end
  end
  return window, wait
end

-- rest is the milliseconds that a key has left, at least 1; 0 if there is none.
local function rest(key)
  local left = redis.call('PTTL', key)
  return left == -2 and 0 or math.max(1, left)
end

-- Lua prints large numbers in its own way; Redis wants plain digits.
local function digits(n)
  return string.format('%.0f', n)
end
