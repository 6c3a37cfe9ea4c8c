-- Reserves what a create needs, or any part of it: places under limits, a turn
-- to send, and the entry. If a limit is reached or the turn is too far off it
-- changes nothing.
--
-- KEYS    those of the entry, if there is one: entry and notices and, if ARGV[9]
--         is '1', the same under the previous secret; one for each limit, and of
--         unverified messages another one for the codes that were entered; turns and
--         callers, if there is a rate
-- ARGV[2] op
-- ARGV[3] the entry up to its end, empty for none
-- ARGV[4] attempts   ARGV[5] lifetime in milliseconds
-- ARGV[6] milliseconds after its end for which its expiry is reported
-- ARGV[7] milliseconds until the entry counts, where the turn is taken elsewhere
-- ARGV[8] what entry_move returned, where the previous secret's entry is elsewhere
-- ARGV[9] '1' if that entry is here
-- ARGV[10] turns in any span, 0 for no turn   ARGV[11] the span in milliseconds
-- ARGV[12] how far off the turn may be        ARGV[13] how far off any turn may be
-- ARGV[14] the caller, among whom turns are shared; empty to share nothing
-- ARGV[15] turns that can be given out ahead
-- ARGV[16] where the code may be sent again its digits, four of them, '0000' of
--         a fixed code, and the recipient under the previous secret or nothing; empty
--         where every create makes a new code
-- ARGV[17] exchange (8) and area code (3) of the number where messages whose code
--          is not entered are counted, else empty
-- ARGV[18] what every key begins with where codes that were entered are counted
--          first, else empty
-- ARGV[19] … for each limit: 'log', 'set' or 'unverified', '1' if a place is taken,
--          's' if it is taken whether or not there is room, or '0' if there must
--          only be room; the number of its windows, and for each window how many
--          events in how many milliseconds, and of unverified messages for how many
--          per cent of the codes that were entered there is one more
-- Returns 'reserved' with the milliseconds until the turn, those that the entry
-- before had left, those until the logs have room for one more, the number of
-- the limit and of its window that would have refused the message first, or -1 0, and, if
-- the entry before stays, its attempts left, its milliseconds left at the turn, its
-- code and the op that made it; 'limited' with the number of the limit and of its
-- window that clears last, from 0, and the milliseconds until then; or 'busy'
-- with the milliseconds until the turn is near enough

--include base
--include entry
--include notice
--include log
--include set
--include unverified

local op, head = ARGV[2], ARGV[3]
local key = 0 -- the last one of KEYS that was used

local repeated -- answer of the call, but for its end, if it took effect before
local resent = '' -- end of the answer, if an entry stays
local digits = string.sub(ARGV[16], 1, 4)
local ending = (ARGV[17] ~= '' and ' u' .. ARGV[17] or '') .. (digits ~= '' and ' s' .. digits or '')

-- reserved is the answer for a turn at a time.
local function reserved(turn, replaced)
  return stamp .. 'reserved ' .. math.max(0, turn - now) .. ' ' .. replaced .. ' '
end

-- replace stores the version and returns what the one before had left. It is
-- nil for an id that has no entry, as most have not, which needs no functions
-- for several versions.
local replace
if head ~= '' then
  local fields = redis.call('HMGET', KEYS[1], 'e', op)
  key = ARGV[9] == '1' and 4 or 2
  if fields[1] or fields[2] or key == 4 or ARGV[8] ~= '' then
    --include versions
    --include replace

    local entries = {} -- the entry and, if it is here, that under the previous secret
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
      local before, replaced, reply = predecessors[#predecessors], 0, nil
      if digits ~= '' and before
        and mayResend(before, turn, codeOf(head), digits, string.sub(head, 19, 32), string.sub(ARGV[16], 5)) then
        local attempts = numbersOf(before)
        resent = string.format(' %d ', attempts) .. endOf(before) - turn .. ' ' .. codeOf(before) .. opOf(before)
        predecessors[#predecessors], reply = withSender(before, op), turn .. ' 0' .. resent
      else
        if before and numbersOf(before) > 0 then
          replaced = math.max(0, endOf(before) - now)
        end
        local version = pack(head, turn + lifetime, ARGV[4], lifetime, replaced, turn, turn - now, ending)
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

-- Limits. Where the entry is here, it says whether the call is repeated; else
-- each limit does.
local entered = ARGV[18] ~= '' and not expired and verifyEntered(ARGV[18]) or 0
local limits, at = {}, 19
local longest, reached, anyHeld = 0, nil, false
local shadow -- the first one reached of the limits that refuse nothing
local again = 0 -- milliseconds until one more message to the number may follow
while at <= #ARGV do
  key = key + 1
  local l = { key = KEYS[key], storage = ARGV[at], max = 0, span = 0, size = 0, log = nil, held = false }
  local takes, refuses = ARGV[at + 1] ~= '0', ARGV[at + 1] ~= 's'
  local isUnverified = l.storage == 'unverified'
  local stride = isUnverified and 3 or 2
  local first, last = at + 3, at + 2 + stride * ARGV[at + 2]
  for i = first, last, stride do
    l.max, l.span = math.max(l.max, ARGV[i]), math.max(l.span, ARGV[i + 1])
  end
  if l.storage == 'log' then
    l.log, l.span, l.max = readLog(l.key, l.span, l.max)
    l.held = repeated or head == '' and inLog(l.log, op)
    for i = first, last, 2 do
      local room = l.held and ARGV[i] or ARGV[i] - 1 -- beside this message
      if takes then
        again = math.max(again, room == 0 and ARGV[i + 1] or waitOfLog(l.log, room, ARGV[i + 1]))
      end
    end
  else
    l.size = isUnverified and redis.call('ZCARD', l.key) or sizeOfSet(l.key)
    l.held = repeated or head == '' and redis.call('ZSCORE', l.key, op)
  end
  if isUnverified then
    key = key + 1
  end
  if l.held then
    anyHeld = true
  else
    for i = first, (refuses or not shadow) and last or 0, stride do
      local max, wait = tonumber(ARGV[i]), 0
      if l.log then
        wait = waitOfLog(l.log, max, ARGV[i + 1])
      else
        if l.size >= max and isUnverified and ARGV[i + 2] ~= '0' then
          max = max + math.floor(ARGV[i + 2] * verifiedIn(KEYS[key]) / 100)
        end
        wait = l.size >= max and waitOfSet(l.key, max, ARGV[i + 1]) or 0
      end
      if wait > (refuses and longest or 0) then
        local place = #limits .. ' ' .. (i - first) / stride
        if refuses then
          longest, reached = wait, place
        else
          shadow = shadow or place
        end
      end
    end
    l.held = not takes
  end
  limits[#limits + 1] = l
  at = last + 1
end

if repeated then
  dropEntered(ARGV[18], entered)
  return repeated .. again .. ' -1 0' .. resent
end

-- Turn.
local rate, span, bound = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[13])
local turnsKey = rate > 0 and KEYS[key + 1]
local caller = ARGV[14]
local turn = turnsKey and head == '' and redis.call('ZSCORE', turnsKey, op .. caller)
local hasTurn = turn and true
if expired and not anyHeld and not hasTurn then
  return stamp .. 'late'
end
if reached then
  dropEntered(ARGV[18], entered)
  return stamp .. 'limited ' .. reached .. ' ' .. longest
end
if hasTurn then
  turn = tonumber(turn)
elseif turnsKey then
  turn = nextTurn(turnsKey, rate, span, bound)
  local tooFar = turn - now - ARGV[12]
  if caller ~= '' then
    tooFar = math.max(tooFar, waitForShare(turnsKey, KEYS[key + 2], caller, turn, ARGV[15], bound))
  end
  if tooFar > 0 then
    dropEntered(ARGV[18], entered)
    return stamp .. 'busy ' .. tooFar
  end
else
  turn = now + ARGV[7]
end

-- All is granted. The first write is one that a server out of memory refuses,
-- so that the script runs as a whole or not at all.
local replaced = 0
if head ~= '' then
  local lifetime, notice = tonumber(ARGV[5]), tonumber(ARGV[6])
  if replace then
    replaced = replace(turn, lifetime, notice)
  else
    local version = head .. packTime(turn + lifetime) .. (turn > now and 'w' or '-')
      .. string.format('%s %d 0', ARGV[4], lifetime / 1000)
    if turn > now then
      version = version .. ' ' .. turn .. ' ' .. turn - now
    end
    version = version .. ending
    redis.call('HSET', KEYS[1], 'e', version)
    redis.call('PEXPIRE', KEYS[1], math.max(remember, turn + lifetime - now))
    remindUntil(KEYS[1], KEYS[2], notice > 0 and turn + lifetime + notice or 0)
  end
end
for _, l in ipairs(limits) do
  if l.held then -- nothing is taken
  elseif l.log then
    addToLog(l.key, op, l.log, l.span, l.max)
  elseif l.storage == 'set' then
    addToSet(l.key, op, l.size, l.span)
  else
    addStanding(l.key, op, l.size, l.max)
  end
end
if turnsKey and not hasTurn then
  addTurn(turnsKey, op .. caller, turn, span, bound)
end
dropEntered(ARGV[18], entered)
return reserved(turn, replaced) .. again .. ' ' .. (shadow or '-1 0') .. resent
