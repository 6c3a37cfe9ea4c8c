-- Reserves what a create needs, or any part of it: places under limits, a turn to
-- send, and the entry. If a limit is reached or the turn is too far away, it changes
-- nothing.
--
-- KEYS    of the entry, if there is one: entry and notices and, if ARGV[11] is
--         'previous', the same under the previous secret; then one for each limit of
--         ARGV[12]; for each limit of ARGV[10] its messages and its codes that were
--         entered; then turns and callers, if there is a rate
-- ARGV[2] op
--
-- The entry:
-- ARGV[3] its version up to the end, empty for no entry
-- ARGV[4] attempts   ARGV[5] lifetime in milliseconds
-- ARGV[6] milliseconds after its end for which its expiry is reported
-- ARGV[7] if the live code may be sent again, its number of digits in four characters,
--         '0000' for a fixed code, and the recipient under the previous secret or
--         nothing; empty if every create makes a new code
-- ARGV[8] exchange (8) and area code (3) of the number if unverified messages are
--         counted, else empty
--
-- The limits:
-- ARGV[9] prefix of every key if codes that were entered are to be counted first, else
--         empty
-- ARGV[10] the limits on unverified messages, empty for none: '1' to reserve a place, 's'
--         to reserve it even if there is no room, '0' to check that there is room; how
--         many limits there are; for each window the numbers of its limit from 1 and of
--         the window from 0 (a byte each), how many messages it allows (4 bytes) in how
--         many milliseconds (4), and besides what percentage of the codes that were
--         entered (2)
-- ARGV[11] empty, as nearly always; 'previous' if the entry under the previous secret is
--         in KEYS; or, where another call reserved the turn, 'start', the milliseconds
--         until then and what entry_move returned, with blanks between
-- ARGV[12] how many other limits there are
-- ARGV    for each of them 'log' or 'set'; '1' to reserve a place, '0' to check that there
--         is room; the number of its windows; for each window how many events it allows
--         in how many milliseconds
--
-- The turn, if there is a rate:
-- ARGV    turns in any span; the span in milliseconds; milliseconds until the turn at
--         most; the same for any create; the caller, if turns are shared among callers,
--         else empty; how many turns can be given out ahead
--
-- Returns one of
-- - 'reserved' with the milliseconds until the turn; those that the previous entry had
--   left; those until the logs have room for one more; the limit and its window, as
--   numbers from 0, that would have refused the message first, or -1 0; and, if the
--   live code is sent again, its attempts left, its milliseconds left at the turn, its
--   digest and the op that made it
-- - 'limited' with the limit and its window that clear last, as numbers from 0, and the
--   milliseconds until then
-- - 'busy' with the milliseconds until the wait for a turn is within the given one

--include base
--include notice
--include log
--include set
--include unverified

local op, head, attempts, lifetime, notice = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local resend, destination, prefix, unverified = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local rotating = ARGV[11] == 'previous'
local startIn, moved
if ARGV[11] ~= '' then
  startIn, moved = string.match(ARGV[11], '^start (%d+) (.*)')
  moved = moved ~= '' and moved
end
local ending = (destination ~= '' and ' u' .. destination or '') .. (resend ~= '' and ' s' .. string.sub(resend, 1, 4) or '')
local key = 0 -- index of the last one of KEYS that was used

local repeated -- beginning of the answer, if this call took effect before
local resent = '' -- end of the answer, if a live code is sent again

-- reserved returns the beginning of the answer for a turn at a time.
local function reserved(turn, replaced)
  return stamp .. string.format('reserved %d %d ', math.max(0, turn - now), replaced)
end

-- replace stores the version and returns the milliseconds that the previous one had
-- left. It is nil for an id without an entry, as nearly always: then Lua need not make
-- the functions for entries.
local replace
if head ~= '' then
  local fields = redis.call('HMGET', KEYS[1], 'e', op)
  key = rotating and 4 or 2
  if fields[1] or fields[2] or rotating or moved then
    --include entry
    --include versions
    --include replace

    local entries = {} -- the entry and, if it is in KEYS, that under the previous secret
    for i = 1, key, 2 do
      local entry = open(KEYS[i], KEYS[i + 1], op)
      local version = entry.stored and flagOf(entry.stored) == 'x' and opOf(entry.stored) == op and entry.stored
      for n = 1, #entry do
        version = opOf(entry[n]) == op and entry[n] or version
      end
      if version then
        local _, _, replaced, start = numbersOf(version)
        repeated = reserved(start, replaced)
      elseif entry.savedReply then
        local start, replaced, live = string.match(entry.savedReply, '^(%d+) (%d+)(.*)$')
        repeated, resent = reserved(start, replaced), live
      end
      entries[#entries + 1] = entry
    end
    replace = function(turn)
      local entry, old = entries[1], entries[2]
      local predecessors, gone = { notices = {} }, {}
      if moved then
        local message = string.sub(moved, 1, 18)
        predecessors.message = message ~= string.rep(' ', 18) and message or nil
        unpackAll(predecessors, string.sub(moved, 19))
      end
      if old then
        move(predecessors, old, gone)
      end
      keep(predecessors, entry, gone)
      if entry.stored and #entry.stored > 41 and flagOf(entry.stored) == 'x' then
        gone[#gone + 1] = entry.stored
      end
      local before, replaced, reply = predecessors[#predecessors], 0, nil
      if resend ~= '' and before
        and mayResend(before, turn, codeOf(head), string.sub(resend, 1, 4), string.sub(ownerOf(head), 1, -2), string.sub(resend, 5)) then
        local left = numbersOf(before)
        resent = string.format(' %d ', left) .. endOf(before) - turn .. ' ' .. codeOf(before) .. opOf(before)
        predecessors[#predecessors], reply = withSender(before, op), turn .. ' 0' .. resent
      else
        if before and numbersOf(before) > 0 then
          replaced = math.max(0, endOf(before) - now)
        end
        local version = pack(head, turn + lifetime, attempts, lifetime, replaced, turn, turn - now, ending)
        add(predecessors, version, notice > 0 and turn + lifetime + notice or 0)
      end
      install(entry, predecessors, gone, reply)
      if old and old.stored then
        finish(old)
      end
      if old then
        redis.call('ZREM', old.noticesKey, nameOf(old.key))
      end
      return replaced
    end
  end
end

-- Codes that were entered make room.
local entered = 0
if prefix ~= '' and not expired and redis.call('LLEN', prefix .. 'y{all}') > 0 then
  --include entered

  entered = countEntered(prefix)
end

-- Limits. Whether this call took effect before is known from the entry, if it is in
-- KEYS, else from each limit.
local places = {} -- to reserve
local longest, reached, anyHeld = 0, nil, false
local again = 0 -- milliseconds until another message to the number is allowed
local numLimits, at = tonumber(ARGV[12]), 13
for number = 0, numLimits - 1 do
  key = key + 1
  local isLog, reserves = ARGV[at] == 'log', ARGV[at + 1] == '1'
  local place = { key = KEYS[key], max = 0, span = 0 }
  local held = repeated
  if isLog then
    place.log = readLog(place.key)
    held = held or head == '' and inLog(place.log, op)
  else
    place.size = sizeOfSet(place.key)
    held = held or head == '' and redis.call('ZSCORE', place.key, op)
  end
  local first = at + 3
  at = first + 2 * ARGV[at + 2]
  for i = first, at - 1, 2 do
    local max, span = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    place.max, place.span = math.max(place.max, max), math.max(place.span, span)
    if isLog and reserves then
      local room = held and max or max - 1 -- besides this message
      again = math.max(again, room == 0 and span or waitOfLog(place.log, room, span))
    end
    local wait = 0
    if held then -- it has its place
    elseif isLog then
      wait = waitOfLog(place.log, max, span)
    elseif place.size >= max then
      wait = waitOfSet(place.key, max, span)
    end
    if wait > longest then
      longest, reached = wait, number .. ' ' .. (i - first) / 2
    end
  end
  if held then
    anyHeld = true
  elseif reserves then
    places[#places + 1] = place
  end
end

if repeated then
  dropEntered(prefix, entered)
  return repeated .. string.format('%d -1 0', again) .. resent
end

-- Limits on unverified messages. In shadow mode the first full limit is enough: the
-- others are not examined. Its size and limit also stand for theirs, since each of them
-- has at least as many messages.
local mode, sizes, maxes, heldSets, lastKey = string.sub(unverified, 1, 1), {}, {}, {}, key
local shadow -- the limit that is full and refuses nothing
for i = 3, #unverified, 12 do
  local number = string.byte(unverified, i)
  if number > #sizes then
    key = lastKey + 2 * number
    heldSets[number] = head == '' and redis.call('ZSCORE', KEYS[key - 1], op)
    anyHeld = anyHeld or heldSets[number]
    sizes[number], maxes[number] = sizes[number - 1], maxes[number - 1]
    if not shadow then
      sizes[number], maxes[number] = redis.call('ZCARD', KEYS[key - 1]), 0
    end
  end
  if not shadow then
    local window, a, b, c, d, e, f, g, h, j, k = string.byte(unverified, i + 1, i + 11)
    local max = ((a * 256 + b) * 256 + c) * 256 + d
    maxes[number] = math.max(maxes[number], max)
    if sizes[number] >= max and not heldSets[number] then
      local span, percentage = ((e * 256 + f) * 256 + g) * 256 + h, j * 256 + k
      if percentage > 0 then
        max = max + math.floor(percentage * verifiedIn(KEYS[key]) / 100)
      end
      if sizes[number] < max then -- verified codes make room
      elseif mode ~= 's' then
        local wait = waitOfSet(KEYS[key - 1], max, span)
        if wait > longest then
          longest, reached = wait, numLimits + number - 1 .. ' ' .. window
        end
      elseif isFull(KEYS[key - 1], max, span) then
        shadow = string.format('%d %d', numLimits + number - 1, window)
      end
    end
  end
end

-- Turn.
local turn, turnsKey, caller = now + (startIn or 0), ARGV[at] and KEYS[key + 1], ARGV[at + 4]
local hasTurn = turnsKey and head == '' and redis.call('ZSCORE', turnsKey, op .. caller)
if expired and not anyHeld and not hasTurn then
  return stamp .. 'late'
end
if reached then
  dropEntered(prefix, entered)
  return stamp .. string.format('limited %s %d', reached, longest)
end
local takeTurn
if hasTurn then
  turn = tonumber(hasTurn)
elseif turnsKey then
  --include turns

  local rate, span, bound = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
  turn = nextTurn(turnsKey, rate, span, bound)
  local tooFar = turn - now - ARGV[at + 2]
  if caller ~= '' then
    tooFar = math.max(tooFar, waitForShare(turnsKey, KEYS[key + 2], caller, turn, ARGV[at + 5], bound))
  end
  if tooFar > 0 then
    dropEntered(prefix, entered)
    return stamp .. string.format('busy %d', tooFar)
  end
  takeTurn = function() addTurn(turnsKey, op .. caller, turn, span, bound) end
end

-- Nothing refuses the reservation. The first write is one that a server out of memory
-- refuses, so that the script takes effect as a whole or not at all.
local replaced = 0
if replace then
  replaced = replace(turn)
elseif head ~= '' then
  local waits, wait = '-', ''
  if turn > now then
    waits, wait = 'w', string.format(' %d %d', turn, turn - now)
  end
  redis.call('HSET', KEYS[1], 'e',
    head .. packTime(turn + lifetime) .. waits .. string.format('%s %d 0', attempts, lifetime / 1000) .. wait .. ending)
  redis.call('PEXPIRE', KEYS[1], math.max(remember, turn + lifetime - now))
  setNotice(KEYS[1], KEYS[2], notice > 0 and turn + lifetime + notice or 0)
end
for _, place in ipairs(places) do
  if place.log then
    addToLog(place.key, op, place.log, place.span, place.max)
  else
    addToSet(place.key, op, place.size, place.span)
  end
end
for number = 1, mode ~= '0' and #sizes or 0 do
  if not heldSets[number] then
    local set, size = KEYS[lastKey + 2 * number - 1], sizes[number]
    redis.call('ZADD', set, score, op)
    -- A set that reaches a limit of 16 or more has had a 16th event within the last day.
    if size % 16 == 0 or maxes[number] < 16 then
      redis.call('PEXPIRE', set, 180000000)
    end
    if size % 16 == 0 and size > 0 then
      trimSet(set, 86400000)
    end
  end
end
if takeTurn then
  takeTurn()
end
dropEntered(prefix, entered)
return reserved(turn, replaced) .. string.format('%d ', again) .. (shadow or '-1 0') .. resent
