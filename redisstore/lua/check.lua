-- Compares a code with that of the entry. A wrong code costs an attempt; a right one,
-- or the last attempt, ends the entry.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3], KEYS[4] the same under the previous secret, if there is one
-- KEYS    if there is one more, it is the hash in which to save the reply
-- ARGV[2] op
-- ARGV[3] digest of the code
-- ARGV[4] prefix of every key
-- ARGV[5] head of the log of wrong codes, empty not to count them here
-- ARGV[6] empty not to count right codes here, else '1' to count one for its exchange
--         too, or '0'
-- These are empty, or left out, as nearly always:
-- ARGV[7] digest of the code under the previous secret
-- ARGV[8] recipient to whom the code must have been sent
-- ARGV[9] the same under the previous secret
-- ARGV[10] milliseconds to save the reply in that hash
-- Returns 'unknown', 'expired', or 'right' or 'wrong' with the attempts left, the TTL
-- in milliseconds of the entry if it ended, else 0, and recipient and area; if a right
-- code is to be counted elsewhere, also exchange and area code and the ops of its messages

--include base
--include notice

local op, code, prefix, countRight, previousCode = ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[7]
local version, known, owner, attempts, lifetime, ending, ttl

-- Nearly all entries have one version, and no saved reply for this call. Such an entry
-- is read before Lua makes the functions for all others, which would take longer than
-- the rest.
local fields = #KEYS == 2 and not expired and redis.call('HMGET', KEYS[1], 'e', op)
if fields and fields[1] and not fields[2] then
  version = fields[1]
  known, owner, attempts, lifetime, ending =
    string.match(version, '^(..........)........(...............)......%-(%d+) (%d+) %d+(.*)')
  ttl = known and attempts ~= '0' and unpackTime(version, 34) - now or 0
end
local store -- stores the reply and what is left of any other entry
if not version or ttl <= 0 or ttl > lifetime * 1000 then
  --include entry
  --include versions

  local replyKey = #KEYS % 2 == 1 and KEYS[#KEYS]
  local savedReply = replyKey and redis.call('HGET', replyKey, op)
  local entry
  if not savedReply then
    entry = open(KEYS[1], KEYS[2], op)
    local old = KEYS[4] and open(KEYS[3], KEYS[4], op)
    if old and not entry.savedReply and (old.savedReply or #entry == 0 and noticeOf(entry) <= now) then
      entry = old
    end
    savedReply = entry.savedReply
  end
  if savedReply then
    -- A write, so that a WAIT after this reply waits for the effect of the first one.
    local key = replyKey or entry.key
    redis.call('PEXPIRE', key, redis.call('PTTL', key))
    return stamp .. savedReply
  end
  if expired then
    return stamp .. 'late'
  end

  -- saveReply saves a reply in its own hash, or returns it to be saved in the entry.
  -- This is the first write, because a server out of memory refuses it. Otherwise
  -- such a server would accept a right code but could not count a wrong one.
  local function saveReply(reply)
    if not replyKey then
      return reply
    end
    redis.call('HSET', replyKey, op, reply)
    redis.call('PEXPIRE', replyKey, ARGV[10])
  end

  version, ttl = entry[entry.current], ttlOf(entry)
  if ttl == 0 then
    local ended = #entry == 0 or version and entry.attempts > 0
    if not ended or noticeOf(entry) <= now then
      return stamp .. 'unknown'
    end
    drop(entry, saveReply('expired'))
    return stamp .. 'expired'
  end
  known, owner, attempts, ending = codeOf(version), ownerOf(version), entry.attempts, endingOf(version)
  store = function(reply, right, left)
    if right or left == '0' and entry.current == 1 then
      drop(entry, saveReply(reply))
      return
    end
    -- Without attempts left it stays while its predecessors may become live again.
    version = withAttempts(version, left)
    entry[entry.current] = version
    if #entry == 1 then
      put(entry, version, saveReply(reply))
      if entry.hadPredecessors then
        redis.call('HDEL', entry.key, 'b')
      end
      if ttl < remember then -- the call may be sent again when the entry has expired
        redis.call('PEXPIRE', entry.key, ttl + remember)
      end
    else
      save(entry, saveReply(reply))
    end
    if left == '0' and entry.current == #entry then
      redis.call('ZREM', entry.noticesKey, nameOf(entry.key))
    end
  end
end

local recipient = string.sub(owner, 1, -2)
if (ARGV[8] or '') ~= '' and recipient ~= ARGV[8] and recipient ~= ARGV[9] then
  return stamp .. 'unknown'
end
local right = known == code or known == previousCode
local left = right and '0' or string.format('%d', attempts - 1)
local reply = string.format('%s %s %d ', right and 'right' or 'wrong', left, left == '0' and ttl or 0) .. owner
local messages = '' -- exchange, area code and ops of the messages that held a right code
if right and string.sub(ending, 1, 2) == ' u' then
  local first = string.sub(ending, 15, 15) ~= 'o' and string.sub(version, 11, 18) or ''
  messages = string.sub(ending, 3, 13) .. first .. string.sub(ending, 20)
  if countRight == '' then
    reply = reply .. messages
  end
end

if store then
  store(reply, right, left)
elseif left == '0' then
  redis.call('HSET', KEYS[1], 'e', string.sub(version, 1, 39) .. 'x' .. string.sub(version, 41), op, time[1] .. reply)
  redis.call('PEXPIRE', KEYS[1], remember)
  redis.call('ZREM', KEYS[2], nameOf(KEYS[1]))
else
  redis.call('HSET', KEYS[1], 'e', string.sub(version, 1, 40) .. left .. string.sub(version, 41 + #attempts), op, time[1] .. reply)
  if ttl < remember then -- the call may be sent again when the entry has expired
    redis.call('PEXPIRE', KEYS[1], ttl + remember)
  end
  if attempts % 8 == 0 then
    --include entry

    purge(KEYS[1], 16)
  end
end

if messages ~= '' and countRight ~= '' then
  -- The next reservation counts it before it checks limits: a check must be quick.
  local enteredKey = prefix .. 'y{all}'
  if redis.call('RPUSH', enteredKey, countRight .. messages) == 1 then
    redis.call('PEXPIRE', enteredKey, 90000000)
  end
end
if not right and ARGV[5] ~= '' then
  --include log

  local key = prefix .. 'w{' .. recipient .. '}'
  addToLog(key, op, readLog(key), ARGV[5])
end
return stamp .. reply
