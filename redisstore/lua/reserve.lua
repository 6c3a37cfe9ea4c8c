-- Reserves what a create needs, or any part of it: places under limits, a turn
-- to send, and the entry. If a limit is reached or the turn is too far off it
-- changes nothing.
--
-- KEYS    those of the entry, if there is one: entry and notices and, if ARGV[9]
--         is '1', the same under the previous secret; one for each limit; turns, if
--         there is a rate
-- ARGV[2] op
-- ARGV[3] the entry up to its end, empty for none
-- ARGV[4] attempts   ARGV[5] lifetime in milliseconds
-- ARGV[6] milliseconds after its end for which its expiry is reported
-- ARGV[7] milliseconds until the entry counts, where the turn is taken elsewhere
-- ARGV[8] what entry_move returned, where the previous secret's entry is elsewhere
-- ARGV[9] '1' if that entry is here
-- ARGV[10] turns in any span, 0 for no turn   ARGV[11] the span in milliseconds
-- ARGV[12] how far off the turn may be        ARGV[13] how far off any turn may be
-- ARGV[14] … for each limit: 'log' or 'set', '1' if a place is taken or '0' if it
--          must only have room, the number of its windows, and for each window
--          how many events in how many milliseconds
-- Returns 'reserved' with the milliseconds until the turn and those that the
-- entry before had left; 'limited' with the number of the limit and of its
-- window that clears last, from 0, and the milliseconds until then; or 'busy'
-- with the milliseconds until the turn is near enough

local op, head = ARGV[2], ARGV[3]
local key = 0 -- the last one of KEYS that was used

-- reserved is the answer for a turn at a time.
local function reserved(turn, replaced)
  return stamp .. 'reserved ' .. math.max(0, turn - now) .. ' ' .. replaced
end

local entries = {} -- the entry and, if it is here, that under the previous secret
if head ~= '' then
  for i = 1, ARGV[9] == '1' and 2 or 1 do
    local entry = open(KEYS[key + 1], KEYS[key + 2], nil, op)
    key = key + 2
    local version = entry.stored and flagOf(entry.stored) == 'x' and opOf(entry.stored) == op and entry.stored
    for n = 1, #entry do
      version = opOf(entry[n]) == op and entry[n] or version
    end
    if version then
      local _, _, replaced, start = numbersOf(version)
      return reserved(start, replaced)
    elseif entry.savedReply then
      return reserved(string.match(entry.savedReply, '(%d+) (%d+)'))
    end
    entries[i] = entry
  end
end

-- Limits.
local limits, held, at = {}, false, 14
local longest, reached, reachedWindow = 0, nil, nil
while at <= #ARGV do
  key = key + 1
  local limit = { key = KEYS[key], set = ARGV[at] == 'set', takes = ARGV[at + 1] == '1', span = 0 }
  local first, last = at + 3, at + 1 + 2 * ARGV[at + 2]
  local most = 0
  for i = first, last, 2 do
    most, limit.span = math.max(most, ARGV[i]), math.max(limit.span, ARGV[i + 1])
  end
  if limit.set then
    limit.held = redis.call('ZSCORE', limit.key, op)
  else
    limit.log = readLog(limit.key, limit.span, most)
    limit.held = inLog(limit.log, op)
  end
  if not limit.held then
    for i = first, last, 2 do
      local wait = limit.set and waitOfSet(limit.key, ARGV[i], ARGV[i + 1]) or not limit.set and waitOfLog(limit.log, ARGV[i], ARGV[i + 1])
      if wait > longest then
        longest, reached, reachedWindow = wait, #limits, (i - first) / 2
      end
    end
  end
  limits[#limits + 1] = limit
  held = held or limit.held
  at = last + 2
end

-- Turn.
local rate, span, bound = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[13])
local turnsKey = rate > 0 and KEYS[key + 1]
local turn = turnsKey and redis.call('ZSCORE', turnsKey, op)
local hasTurn = turn and true
if expired and not held and not hasTurn then
  return stamp .. 'late'
end
if reached then
  return stamp .. 'limited ' .. reached .. ' ' .. reachedWindow .. ' ' .. longest
end
if hasTurn then
  turn = tonumber(turn)
elseif turnsKey then
  turn = nextTurn(turnsKey, rate, span, bound)
  local tooFar = turn - now - ARGV[12]
  if tooFar > 0 then
    return stamp .. 'busy ' .. tooFar
  end
else
  turn = now + ARGV[7]
end

-- All is granted. The first write is one that a server out of memory refuses,
-- so that the script runs as a whole or not at all.
local replaced = 0
if head ~= '' then
  local entry, old = entries[1], entries[2]
  local predecessors, gone = { notices = {} }, {}
  if ARGV[8] ~= '' then
    local message = string.sub(ARGV[8], 1, 18)
    predecessors.message = message ~= string.rep(' ', 18) and message or nil
    unpackAll(predecessors, string.sub(ARGV[8], 19))
  end
  if old then
    move(predecessors, old, gone)
  end
  keep(predecessors, entry, gone)
  if entry.stored and #entry.stored > 41 and flagOf(entry.stored) == 'x' then
    gone[#gone + 1] = entry.stored
  end
  local before = predecessors[#predecessors]
  if before and numbersOf(before) > 0 then
    replaced = math.max(0, endOf(before) - now)
  end
  local lifetime = tonumber(ARGV[5])
  local version = pack(head, turn + lifetime, ARGV[4], lifetime, replaced, turn, turn - now)
  push(entry, predecessors, version, tonumber(ARGV[6]), gone)
  if old and old.stored then
    finish(old)
  end
  if old then
    redis.call('ZREM', old.noticesKey, nameOf(old))
  end
end
for _, limit in ipairs(limits) do
  if limit.takes and not limit.held then
    if limit.set then
      addToSet(limit.key, op, limit.span)
    else
      addToLog(limit.key, limit.log, op)
    end
  end
end
if turnsKey and not hasTurn then
  addTurn(turnsKey, op, turn, span, bound)
end
return reserved(turn, replaced)
