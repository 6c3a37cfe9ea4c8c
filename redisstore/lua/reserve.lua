-- Reserves what a create needs, or any part of it: room under the limits, a turn to
-- send, and the entry. If a limit is reached or the turn is too far away, it reserves
-- nothing; it may still count codes that were entered and record that the caller asked.
--
-- KEYS    of the entry, if there is one: entry and notices and, if ARGV[10] is
--         'previous', the same under the previous secret; then one for each limit of
--         ARGV[11]; the list of codes that were entered, if there is an entry and ARGV[12]
--         is not empty; turns and callers, if there is a rate; and on a cluster the keys
--         of unverified messages and of their codes that were entered, although the script
--         makes them
-- ARGV[2] op
--
-- The entry:
-- ARGV[3] its version up to the end, empty for no entry
-- ARGV[4] attempts and lifetime in seconds, with a blank between
-- ARGV[5] lifetime in milliseconds
-- ARGV[6] milliseconds after its end for which its expiry is reported
-- ARGV[7] if the live code may be sent again, its number of digits in four characters,
--         '0000' for a fixed code, and the recipient under the previous secret or
--         nothing; empty if every create makes a new code
-- ARGV[8] exchange (8) and area code (3) of the number if unverified messages are
--         counted, else empty
-- ARGV[9] prefix of every key
-- ARGV[10] empty, as nearly always; 'previous' if the entry under the previous secret is
--         in KEYS; or, where another call reserved the turn, 'start', the milliseconds
--         until then and what entry_move returned, with blanks between
--
-- The limits are packed: one argument for each number would take longer than all that
-- the script does with them.
-- ARGV[11] for each limit: its number from 0 (1 byte); 'l' if it counts in a log, 's' in a
--         set; '1' to check and reserve, '0' to check only; the number of its windows (1);
--         for each window its maximum (6) and its span in milliseconds (6)
-- ARGV[12] the limits on unverified messages, empty for none: '1' to check and reserve, 's'
--         to reserve even if a limit is reached, '0' to check only; for each window: the
--         number of its limit (1); 'e' for the exchange, 'c' for the area code, 'a' for
--         all; its own number from 0 (1); its maximum (4), its span in milliseconds (4),
--         and what percentage of the codes that were entered is added to the maximum (2).
--         Windows of one letter follow each other.
--
-- The turn, if there is a rate:
-- ARGV[13] turns in any span   ARGV[14] the span in milliseconds
-- ARGV[15] milliseconds until the turn at most   ARGV[16] the same for any create
-- ARGV[17] the caller, if turns are shared among callers, else empty
-- ARGV[18] how many turns can be given out ahead
--
-- Returns one of
-- - 'reserved' with the milliseconds until the turn; the milliseconds that the previous
--   entry had left; the milliseconds until the number may get another message; the
--   numbers of the limit and window that only shadow mode let pass, or -1 0; and, if the
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

local op, head, lifetime, notice = ARGV[2], ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6])
local resend, destination, prefix, limits, unverified = ARGV[7], ARGV[8], ARGV[9], ARGV[11], ARGV[12]
local rotating = ARGV[10] == 'previous'
local startIn, moved
if ARGV[10] ~= '' then
  startIn, moved = string.match(ARGV[10], '^start (%d+) (.*)')
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
        local version = pack(head, turn + lifetime, ARGV[4], replaced, turn, turn - now, ending)
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

-- Limits. Whether this call took effect before is known from the entry, if it is in
-- KEYS, else from each limit.
local reservedLimits = {}
local longest, reached, anyHeld = 0, nil, false
local again = 0 -- milliseconds until another message to the number is allowed
local at = 1
while at <= #limits do
  local number, numWindows = string.byte(limits, at), string.byte(limits, at + 3)
  local isLog, reserves = string.sub(limits, at + 1, at + 1) == 'l', string.sub(limits, at + 2, at + 2) == '1'
  local first, held, log, size = at + 4, repeated, nil, nil
  local longestSpan, largestMax = 0, 0
  at = first + 12 * numWindows
  key = key + 1
  if isLog then
    log = readLog(KEYS[key])
    held = held or head == '' and inLog(log, op)
  else
    size = redis.call('ZCARD', KEYS[key])
    held = held or head == '' and redis.call('ZSCORE', KEYS[key], op)
  end
  for i = first, at - 1, 12 do
    local max, span, wait = unpackTime(limits, i), unpackTime(limits, i + 6), 0
    largestMax, longestSpan = math.max(largestMax, max), math.max(longestSpan, span)
    if isLog and reserves then
      local room = held and max or max - 1 -- besides this message
      again = math.max(again, room == 0 and span or waitOfLog(log, room, span))
    end
    if held then -- it counts already
    elseif isLog then
      wait = waitOfLog(log, max, span)
    elseif size >= max then
      wait = waitOfSet(KEYS[key], max, span)
    end
    if wait > longest then
      longest, reached = wait, string.format('%d %d', number, (i - first) / 12)
    end
  end
  if held then
    anyHeld = true
  elseif reserves then
    reservedLimits[#reservedLimits + 1] = { key = KEYS[key], log = log, size = size, span = longestSpan, max = largestMax }
  end
end

if repeated then
  return repeated .. string.format('%d -1 0', again) .. resent
end

-- Limits on unverified messages. Codes that were entered make room first. In shadow mode
-- the first full limit is enough: the others are not examined.
local mode, sets, numSets, heldInSets = string.sub(unverified, 1, 1), { false, false, false }, 0, false
local entered = 0
local shadowed -- the limit and window that only shadow mode let pass
if unverified ~= '' then
  if head ~= '' then -- else this is a cluster, where each check counts its own code
    key = key + 1
    if not expired and redis.call('LLEN', KEYS[key]) > 0 then
      --include entered

      entered = countEntered(prefix)
    end
  end
  local letter, subject, size
  for i = 2, #unverified, 13 do
    if string.sub(unverified, i + 1, i + 1) ~= letter then
      letter, numSets = string.sub(unverified, i + 1, i + 1), numSets + 1
      subject = subjectOf(letter, destination)
      sets[numSets] = messagesOf(prefix, subject)
      heldInSets = heldInSets or head == '' and redis.call('ZSCORE', sets[numSets], op)
      size = (heldInSets or shadowed) and 0 or redis.call('ZCARD', sets[numSets]) -- 0 to examine no more
    end
    local a, b, c, d = string.byte(unverified, i + 3, i + 6)
    local max = ((a * 256 + b) * 256 + c) * 256 + d
    if size >= max then
      local number, window = string.byte(unverified, i), string.byte(unverified, i + 2)
      local e, f, g, h, high, low = string.byte(unverified, i + 7, i + 12)
      local span = ((e * 256 + f) * 256 + g) * 256 + h
      max = max + shareOf(prefix, subject, high * 256 + low)
      if mode ~= 's' then
        local wait = waitOfSet(sets[numSets], max, span)
        if wait > longest then
          longest, reached = wait, string.format('%d %d', number, window)
        end
      elseif isFull(sets[numSets], max, span) then
        shadowed, size = string.format('%d %d', number, window), 0
      end
    end
  end
end
anyHeld = anyHeld or heldInSets

-- Turn.
local turn, turnsKey, caller = now + (startIn or 0), ARGV[13] and KEYS[key + 1], ARGV[17]
local heldTurn = turnsKey and head == '' and redis.call('ZSCORE', turnsKey, op .. caller)
if expired and not anyHeld and not heldTurn then
  return stamp .. 'late'
end
if reached then
  dropEntered(prefix, entered)
  return stamp .. string.format('limited %s %d', reached, longest)
end
local reserveTurn
if heldTurn then
  turn = tonumber(heldTurn)
elseif turnsKey then
  --include turns

  local rate, span, bound = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[16])
  turn = nextTurn(turnsKey, rate, span, bound)
  local tooFar = turn - now - ARGV[15]
  if caller ~= '' then
    tooFar = math.max(tooFar, waitForShare(turnsKey, KEYS[key + 2], caller, turn, ARGV[18], bound))
  end
  if tooFar > 0 then
    dropEntered(prefix, entered)
    return stamp .. string.format('busy %d', tooFar)
  end
  reserveTurn = function() addTurn(turnsKey, op .. caller, turn, span, bound) end
end

-- Nothing refuses the reservation. Its first write, like any before it, is one that a
-- server out of memory refuses. So it takes effect as a whole or not at all.
local replaced = 0
if replace then
  replaced = replace(turn)
elseif head ~= '' then
  local waits, wait = '-', ' 0'
  if turn > now then
    waits, wait = 'w', string.format(' 0 %d %d', turn, turn - now)
  end
  redis.call('HSET', KEYS[1], 'e', head .. packTime(turn + lifetime) .. waits .. ARGV[4] .. wait .. ending)
  redis.call('PEXPIRE', KEYS[1], string.format('%d', math.max(remember, turn + lifetime - now)))
  setNotice(KEYS[1], KEYS[2], notice > 0 and turn + lifetime + notice or 0)
end
for _, limit in ipairs(reservedLimits) do
  if limit.log then
    addToLog(limit.key, op, limit.log, logHead(limit.span, limit.max))
  else
    addToSet(limit.key, op, limit.size, limit.span)
  end
end
local trims = string.byte(op) < 16 -- an op is random, so this is one call in 16
for n = 1, mode ~= '0' and not heldInSets and numSets or 0 do
  redis.call('ZADD', sets[n], score, op)
  redis.call('PEXPIRE', sets[n], keepUnverified)
  if trims then
    trimSet(sets[n], day)
  end
end
if reserveTurn then
  reserveTurn()
end
dropEntered(prefix, entered)
return reserved(turn, replaced) .. string.format('%d ', again) .. (shadowed or '-1 0') .. resent
