-- Runs before the scripts of the logs of a number or an address.
--
-- A log is a string of events, the oldest first: the milliseconds of Redis
-- time (11 hex digits) and the op (8 bytes). It is read and written as a whole,
-- which for the few events of one number is quicker and takes less memory
-- than a sorted set.

local size = 19

-- time is when the event at this place of a log was.
local function time(log, at)
  return tonumber(string.sub(log, at, at + 10), 16)
end

-- find is the place of the operation's event in a log, or nil.
local function find(log)
  local at = string.find(log, ARGV[2], 1, true)
  return at and at - 11
end

-- add returns a log with the operation's event.
local function add(log)
  return log .. string.format('%011x', now) .. ARGV[2]
end

-- full tells whether a log lets no further event in. The windows are
-- ARGV[first], ARGV[first + 1] (how many in how many milliseconds) and so on
-- up to ARGV[last]. Returns the index in ARGV of the window that clears last
-- and the milliseconds until then, or nil and 0.
local function full(log, first, last)
  local window, wait = nil, 0
  for i = first, last, 2 do
    local nth = #log - ARGV[i] * size + 1 -- counted from the newest
    if nth > 0 and time(log, nth) + ARGV[i + 1] - now > wait then
      window, wait = i, time(log, nth) + ARGV[i + 1] - now
    end
  end
  return window, wait
end
