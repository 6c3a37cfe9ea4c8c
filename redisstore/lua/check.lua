-- Compares a code with that of the entry. A wrong code costs an attempt; a right one,
-- or the last attempt, ends the entry.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3], KEYS[4] the same under the previous secret, if there is one
-- KEYS    if there is one more, it is the hash in which to save the reply
-- ARGV[2] op
-- ARGV[3] digest of the code   ARGV[4] the same under the previous secret, or empty
-- ARGV[5] milliseconds to save the reply in that hash
-- ARGV[6] prefix of the keys of wrong codes, empty not to count wrong codes here
-- ARGV[7] longest window of wrong codes in milliseconds
-- ARGV[8] the largest number that one of these windows allows
-- ARGV[9] recipient to whom the code must have been sent, empty for any
-- ARGV[10] the same under the previous secret
-- ARGV[11] key of the codes that were entered, empty not to count right codes here
-- ARGV[12] '1' to count a right code for its exchange too, or '0'
-- Returns 'unknown', 'expired', or 'right' or 'wrong' with the attempts left, the TTL
-- in milliseconds of the entry if it ended, else 0, and recipient and area; if a right
-- code is to be counted elsewhere, also exchange and area code and the ops of its messages

--include base
--include entry

local op, code, previousCode, keepReply = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local wrongCodesPrefix, recipient, previousRecipient = ARGV[6], ARGV[9], ARGV[10]
local enteredKey, countExchange = ARGV[11], ARGV[12]
local replyKey = #KEYS % 2 == 1 and KEYS[#KEYS]
local reply
local messages -- of a right code
local wrong -- the version that a wrong code was compared with

-- hasRecipient reports whether a version was sent to the recipient of the call.
local function hasRecipient(version)
  local owner = recipient ~= '' and string.sub(ownerOf(version), 1, -2)
  return not owner or owner == recipient or owner == previousRecipient
end

-- messagesOf returns the exchange, the area code and the ops of the messages that
-- held the code of a version, or '' where they are not counted.
local function messagesOf(version)
  local ending = endingOf(version)
  if string.sub(ending, 2, 2) ~= 'u' then
    return ''
  end
  local first = string.sub(ending, 15, 15) ~= 'o' and opOf(version) or ''
  return string.sub(ending, 3, 13) .. first .. string.sub(ending, 20)
end

-- replyFor returns the reply for a version with so many attempts and milliseconds left.
local function replyFor(version, left, ttl)
  return (messages and 'right ' or 'wrong ') .. left .. ' ' .. (left == '0' and ttl or 0) .. ' ' .. ownerOf(version)
    .. (enteredKey == '' and messages or '')
end

-- Nearly all entries have one version. Such an entry is checked before Lua makes the
-- functions for several versions, which would take longer than the rest.
local fields = #KEYS == 2 and not expired and redis.call('HMGET', KEYS[1], 'e', op)
local version = fields and not fields[2] and fields[1]
if version and flagOf(version) == '-' then
  local attempts, lifetime = string.match(version, '(%d+) (%d+)', 41)
  local ttl = endOf(version) - now
  if ttl > 0 and ttl <= lifetime * 1000 and attempts ~= '0' and hasRecipient(version) then
    local known = codeOf(version)
    messages = (known == code or known == previousCode) and messagesOf(version)
    wrong = not messages and version
    local left = messages and '0' or string.format('%d', attempts - 1)
    reply = replyFor(version, left, ttl)
    if left == '0' then
      redis.call('HSET', KEYS[1], 'e', withFlag(version, 'x'), op, time[1] .. reply)
      redis.call('PEXPIRE', KEYS[1], remember)
      redis.call('ZREM', KEYS[2], nameOf(KEYS[1]))
    else
      redis.call('HSET', KEYS[1], 'e', string.sub(version, 1, 40) .. left .. string.sub(version, 41 + #attempts), op, time[1] .. reply)
      if ttl < remember then -- the call may be sent again when the entry has expired
        redis.call('PEXPIRE', KEYS[1], ttl + remember)
      end
      if attempts % 8 == 0 then
        purge(KEYS[1], 16)
      end
    end
  end
end

if not reply then
  --include versions

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
    redis.call('PEXPIRE', replyKey, keepReply)
  end

  local version, ttl = entry[entry.current], ttlOf(entry)
  if ttl == 0 then
    local ended = #entry == 0 or version and entry.attempts > 0
    if not ended or noticeOf(entry) <= now then
      return stamp .. 'unknown'
    end
    drop(entry, saveReply('expired'))
    return stamp .. 'expired'
  end
  if not hasRecipient(version) then
    return stamp .. 'unknown'
  end
  local known = codeOf(version)
  messages = (known == code or known == previousCode) and messagesOf(version)
  wrong = not messages and version
  local left = messages and '0' or string.format('%d', entry.attempts - 1)
  reply = replyFor(version, left, ttl)
  if messages or left == '0' and entry.current == 1 then
    drop(entry, saveReply(reply))
  else
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

if messages and messages ~= '' and enteredKey ~= '' then
  -- The next reservation counts it before it checks limits: a check must be quick.
  if redis.call('RPUSH', enteredKey, countExchange .. messages) == 1 then
    redis.call('PEXPIRE', enteredKey, 90000000)
  end
end
if wrong and wrongCodesPrefix ~= '' then
  --include log

  local key = wrongCodesPrefix .. '{' .. string.sub(ownerOf(wrong), 1, -2) .. '}'
  addToLog(key, op, readLog(key, tonumber(ARGV[7]), tonumber(ARGV[8])))
end
return stamp .. reply
