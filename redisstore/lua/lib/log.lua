-- Events of one number or one address, such as the messages to it.
--
-- A log is a string: the longest window in milliseconds (6 bytes) and the largest
-- number of events (2) that any replica uses, then the events, the oldest first: time
-- (6 bytes) and op (8). It is read and written as a whole. For a few events that is
-- quicker than a sorted set, and takes less memory.

local headSize, eventSize = 8, 14
local leastEvents = 20 -- that a log keeps within its window

-- readLog returns a log, '' if there is none. Events in the future count as now: the
-- clock of Redis has stepped back.
local function readLog(key)
  local log = redis.call('GET', key) or ''
  if #log <= headSize or unpackTime(log, #log - eventSize + 1) <= now then
    return log
  end
  local events = {}
  for at = headSize + 1, #log, eventSize do
    events[#events + 1] = packTime(math.min(now, unpackTime(log, at))) .. string.sub(log, at + 6, at + 13)
  end
  return string.sub(log, 1, headSize) .. table.concat(events)
end

-- inLog reports whether an op has an event in a log.
local function inLog(log, op) return log ~= '' and string.find(log, op, headSize + 1, true) ~= nil end

-- waitOfLog returns the milliseconds until a log has room for one more event under a
-- window, 0 if it has.
local function waitOfLog(log, max, span)
  local nth = #log - max * eventSize + 1 -- counted from the newest
  if nth <= headSize then
    return 0
  end
  return math.max(0, unpackTime(log, nth) + span - now)
end

-- logHead packs the head of a log, as logHead of limits.go does.
local function logHead(span, max) return packTime(span) .. string.char((max - max % 256) / 256, max % 256) end

-- addToLog adds an op's event to a log that was read, and writes it. head is what the
-- caller needs; the log keeps more events if a replica has larger windows.
local function addToLog(key, op, log, head)
  local span, max = unpackTime(head, 1), 256 * string.byte(head, 7) + string.byte(head, 8)
  if log ~= '' and string.sub(log, 1, headSize) ~= head then
    span, max = math.max(span, unpackTime(log, 1)), math.max(max, 256 * string.byte(log, 7) + string.byte(log, 8))
    head = logHead(span, max)
  end
  local first = math.max(headSize + 1, #log - (math.max(leastEvents, max) - 1) * eventSize + 1)
  while first < #log and unpackTime(log, first) + span <= now do
    first = first + eventSize
  end
  redis.call('SET', key, head .. string.sub(log, first) .. packTime(now) .. op, 'PX', string.format('%d', span))
end
