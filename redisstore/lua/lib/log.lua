-- Events of one number or one address, such as the messages to it.
--
-- A log is a string: the longest window in milliseconds (6 bytes) and the largest
-- number of events (2) that any replica uses, then the events, the oldest first: time
-- (6 bytes) and op (8). It is read and written as a whole. For a few events that is
-- quicker than a sorted set, and takes less memory.

local headSize, eventSize = 8, 14
local leastEvents = 20 -- that a log keeps within its window
local packedNow = packTime(now)

-- headOf returns the head of a log for windows of at most so many milliseconds
-- and events.
local function headOf(span, max) return packTime(span) .. string.char(math.floor(max / 256), max % 256) end

-- readLog returns a log for windows of at most so many milliseconds and events, and
-- how many of both it must keep. Events in the future count as now: the clock of
-- Redis has stepped back.
local function readLog(key, span, max)
  local log = redis.call('GET', key)
  if not log then
    return headOf(span, max), span, max
  end
  local high, low = string.byte(log, 7, 8)
  local knownSpan, knownMax = unpackTime(log, 1), high * 256 + low
  if knownSpan < span or knownMax < max then
    span, max = math.max(span, knownSpan), math.max(max, knownMax)
    log = headOf(span, max) .. string.sub(log, headSize + 1)
  else
    span, max = knownSpan, knownMax
  end
  if #log == headSize or unpackTime(log, #log - eventSize + 1) <= now then
    return log, span, max
  end
  local events = {}
  for at = headSize + 1, #log, eventSize do
    events[#events + 1] = packTime(math.min(now, unpackTime(log, at))) .. string.sub(log, at + 6, at + 13)
  end
  return string.sub(log, 1, headSize) .. table.concat(events), span, max
end

-- inLog reports whether an op has an event in a log.
local function inLog(log, op) return string.find(log, op, headSize + 1, true) ~= nil end

-- waitOfLog returns the milliseconds until a log has room for one more event under a
-- window, 0 if it has.
local function waitOfLog(log, max, span)
  local nth = #log - max * eventSize + 1 -- counted from the newest
  if nth <= headSize then
    return 0
  end
  return math.max(0, unpackTime(log, nth) + span - now)
end

-- addToLog adds an op's event to a log that was read, and writes it. It keeps more
-- events than the windows need, for replicas with larger windows that have added
-- nothing yet.
local function addToLog(key, op, log, span, max)
  local first = math.max(headSize + 1, #log - (math.max(leastEvents, max) - 1) * eventSize + 1)
  while first < #log and unpackTime(log, first) + span <= now do
    first = first + eventSize
  end
  if first > headSize + 1 then
    log = string.sub(log, 1, headSize) .. string.sub(log, first)
  end
  redis.call('SET', key, log .. packedNow .. op, 'PX', span)
end

-- removeFromLog removes an op's event.
local function removeFromLog(key, op)
  local log = redis.call('GET', key)
  local at = log and string.find(log, op, headSize + 1, true)
  if not at then
    return
  end
  local rest = string.sub(log, 1, at - 7) .. string.sub(log, at + 8)
  if #rest == headSize then
    redis.call('DEL', key)
  else
    redis.call('SET', key, rest, 'KEEPTTL')
  end
end
