-- Reserves what a create needs, or any part of it: places under limits, a turn to
-- send, and the entry. If a limit is reached or the turn is too far away, it changes
-- nothing.
--
-- KEYS    of the entry, if there is one: entry and notices and, if ARGV[9] is '1', the
--         same under the previous secret; then one for each limit of ARGV[20]; for each
--         limit of ARGV[19] its messages and its codes that were entered; then turns and
--         callers, if there is a rate
-- ARGV[2] op
--
-- The entry:
-- ARGV[3] its version up to the end, empty for no entry
-- ARGV[4] attempts   ARGV[5] lifetime in milliseconds
-- ARGV[6] milliseconds after its end for which its expiry is reported
-- ARGV[7] milliseconds until its start, if another call reserved the turn
-- ARGV[8] what entry_move returned, if the previous secret's entry is in another slot
-- ARGV[9] '1' if that entry is in KEYS
--
-- The turn:
-- ARGV[10] turns in any span, 0 for no turn   ARGV[11] the span in milliseconds
-- ARGV[12] milliseconds until the turn at most   ARGV[13] the same for any create
-- ARGV[14] the caller, if turns are shared among callers, else empty
-- ARGV[15] how many turns can be given out ahead
--
-- The code and the counts:
-- ARGV[16] if the live code may be sent again, its number of digits in four characters,
--          '0000' for a fixed code, and the recipient under the previous secret or
--          nothing; empty if every create makes a new code
-- ARGV[17] exchange (8) and area code (3) of the number if unverified messages are
--          counted, else empty
-- ARGV[18] prefix of every key if codes that were entered are to be counted first, else
--          empty
-- ARGV[19] the limits on unverified messages, empty for none: '1' to reserve a place, 's'
--          to reserve it even if there is no room, '0' to check that there is room; how
--          many limits there are; for each window the numbers of its limit from 1 and of
--          the window from 0 (a byte each), how many messages it allows (4 bytes) in how
--          many milliseconds (4), and besides what percentage of the codes that were
--          entered (2)
-- ARGV[20] … for each other limit: 'log' or 'set'; '1' to reserve a place, '0' to check that
--          there is room; the number of its windows; for each window how many events
--          it allows in how many milliseconds
--
-- Returns one of
-- - 'reserved' with the milliseconds until the turn; those that the previous entry had
--   left; those until the logs have room for one more; the limit and its window, as
--   numbers from 0, that would have refused the message first, or -1 0; and, if the
--   live code is sent again, its attempts left, its milliseconds left at the turn, its
--   digest and the op that made it
-- - 'limited' with the limit and its window that clear last, as numbers from 0, and the
--   milliseconds until then
-- - 'busy' with the milliseconds until the wait for a turn is within ARGV[12]

--include base
--include entry
--include notice
--include log
--include set
--include unverified

local op, head, attempts, startIn = ARGV[2], ARGV[3], ARGV[4], ARGV[7]
local moved, rotating = ARGV[8], ARGV[9] == '1'
local maxWait, caller, ahead = ARGV[12], ARGV[14], ARGV[15]
local digits, previousRecipient = string.sub(ARGV[16], 1, 4), string.sub(ARGV[16], 5)
local destination, prefix = ARGV[17], ARGV[18]
local ending = (destination ~= '' and ' u' .. destination or '') .. (digits ~= '' and ' s' .. digits or '')
local key = 0 -- index of the last one of KEYS that was used

local repeated -- answer but for its end, if this call took effect before
local resent = '' -- end of the answer, if a live code is sent again

-- reserved returns the answer, but for its end, for a turn at a time.
local function reserved(turn, replaced)
  return stamp .. 'reserved ' .. math.max(0, turn - now) .. ' ' .. replaced .. ' '
end

-- replace stores the version and returns the milliseconds that the previous one had
-- left. It is nil for an id without an entry, as nearly always: then Lua need not make
-- the functions for several versions.
local replace
if head ~= '' then
  local fields = redis.call('HMGET', KEYS[1], 'e', op)
  key = rotating and 4 or 2
  if fields[1] or fields[2] or rotating or moved ~= '' then
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
    replace = function(turn, lifetime, notice)
      local entry, old = entries[1], entries[2]
      local predecessors, gone = { notices = {} }, {}
      if moved ~= '' then
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
      if digits ~= '' and before
        and mayResend(before, turn, codeOf(head), digits, string.sub(ownerOf(head), 1, -2), previousRecipient) then
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

-- Limits. Whether this call took effect before is known from the entry, if it is in
-- KEYS, else from each limit.
local entered = prefix ~= '' and not expired and countEntered(prefix) or 0
local limits, at = {}, 20
local longest, reached, anyHeld = 0, nil, false
local again = 0 -- milliseconds until another message to the number is allowed
while at <= #ARGV do
  key = key + 1
  local l = { key = KEYS[key], max = 0, span = 0, size = 0, log = nil, held = false }
  local reserves = ARGV[at + 1] == '1'
  local first, last = at + 3, at + 2 + 2 * ARGV[at + 2]
  for i = first, last, 2 do
    l.max, l.span = math.max(l.max, ARGV[i]), math.max(l.span, ARGV[i + 1])
  end
  if ARGV[at] == 'log' then
    l.log, l.span, l.max = readLog(l.key, l.span, l.max)
    l.held = repeated or head == '' and inLog(l.log, op)
    for i = first, last, 2 do
      local room = l.held and ARGV[i] or ARGV[i] - 1 -- besides this message
      if reserves then
        again = math.max(again, room == 0 and ARGV[i + 1] or waitOfLog(l.log, room, ARGV[i + 1]))
      end
    end
  else
    l.size = sizeOfSet(l.key)
    l.held = repeated or head == '' and redis.call('ZSCORE', l.key, op)
  end
  if l.held then
    anyHeld = true
  else
    for i = first, last, 2 do
      local max, span = tonumber(ARGV[i]), ARGV[i + 1]
      local wait = l.log and waitOfLog(l.log, max, span) or l.size >= max and waitOfSet(l.key, max, span) or 0
      if wait > longest then
        longest, reached = wait, #limits .. ' ' .. (i - first) / 2
      end
    end
    l.held = not reserves
  end
  limits[#limits + 1] = l
  at = last + 1
end

if repeated then
  dropEntered(prefix, entered)
  return repeated .. again .. ' -1 0' .. resent
end

-- Limits on unverified messages.
local unverified, sets = ARGV[19], {}
local mode = string.sub(unverified, 1, 1)
local shadow -- the first window that is full and refuses nothing
for i = 1, unverified ~= '' and string.byte(unverified, 2) or 0 do
  local set = { key = KEYS[key + 1], enteredKey = KEYS[key + 2], max = 0, size = redis.call('ZCARD', KEYS[key + 1]) }
  set.held = head == '' and redis.call('ZSCORE', set.key, op)
  anyHeld = anyHeld or set.held
  sets[i], key = set, key + 2
end
for i = 3, #unverified, 12 do
  local number, window, a, b, c, d, e, f, g, h, j, k = string.byte(unverified, i, i + 11)
  local set, max = sets[number], ((a * 256 + b) * 256 + c) * 256 + d
  set.max = math.max(set.max, max)
  if set.size >= max and not set.held and not shadow then
    local span, percentage = ((e * 256 + f) * 256 + g) * 256 + h, j * 256 + k
    if percentage > 0 then
      max = max + math.floor(percentage * verifiedIn(set.enteredKey) / 100)
    end
    local wait = set.size >= max and waitOfSet(set.key, max, span) or 0
    if mode == 's' then
      shadow = wait > 0 and #limits + number - 1 .. ' ' .. window
    elseif wait > longest then
      longest, reached = wait, #limits + number - 1 .. ' ' .. window
    end
  end
end

-- Turn.
local rate, span, bound = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[13])
local turnsKey = rate > 0 and KEYS[key + 1]
local turn = turnsKey and head == '' and redis.call('ZSCORE', turnsKey, op .. caller)
local hasTurn = turn and true
if expired and not anyHeld and not hasTurn then
  return stamp .. 'late'
end
if reached then
  dropEntered(prefix, entered)
  return stamp .. 'limited ' .. reached .. ' ' .. longest
end
if hasTurn then
  turn = tonumber(turn)
elseif turnsKey then
  turn = nextTurn(turnsKey, rate, span, bound)
  local tooFar = turn - now - maxWait
  if caller ~= '' then
    tooFar = math.max(tooFar, waitForShare(turnsKey, KEYS[key + 2], caller, turn, ahead, bound))
  end
  if tooFar > 0 then
    dropEntered(prefix, entered)
    return stamp .. 'busy ' .. tooFar
  end
else
  turn = now + startIn
end

-- Nothing refuses the reservation. The first write is one that a server out of memory
-- refuses, so that the script takes effect as a whole or not at all.
local replaced = 0
if head ~= '' then
  local lifetime, notice = tonumber(ARGV[5]), tonumber(ARGV[6])
  if replace then
    replaced = replace(turn, lifetime, notice)
  else
    local version = head .. packTime(turn + lifetime) .. (turn > now and 'w' or '-')
      .. string.format('%s %d 0', attempts, lifetime / 1000)
    if turn > now then
      version = version .. ' ' .. turn .. ' ' .. turn - now
    end
    version = version .. ending
    redis.call('HSET', KEYS[1], 'e', version)
    redis.call('PEXPIRE', KEYS[1], math.max(remember, turn + lifetime - now))
    setNotice(KEYS[1], KEYS[2], notice > 0 and turn + lifetime + notice or 0)
  end
end
for _, l in ipairs(limits) do
  if l.held then -- nothing to reserve
  elseif l.log then
    addToLog(l.key, op, l.log, l.span, l.max)
  else
    addToSet(l.key, op, l.size, l.span)
  end
end
for _, set in ipairs(mode ~= '0' and sets or {}) do
  if not set.held then
    addUnverified(set.key, op, set.size, set.max)
  end
end
if turnsKey and not hasTurn then
  addTurn(turnsKey, op .. caller, turn, span, bound)
end
dropEntered(prefix, entered)
return reserved(turn, replaced) .. again .. ' ' .. (shadow or '-1 0') .. resent
