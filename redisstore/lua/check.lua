-- Compares a code with the entry's, and spends an attempt if it is wrong.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3], KEYS[4] the same under the previous secret, if there is one
-- KEYS    the last one is the hash that holds the saved reply by its op, if there
--         is one more
-- ARGV[2] op
-- ARGV[3] digest of the code   ARGV[4] the same under the previous secret, or empty
-- ARGV[5] milliseconds to save the reply in its own key
-- ARGV[6] what the key of a number's wrong codes begins with, empty not to count
--         them here   ARGV[7] milliseconds that their longest window spans
-- ARGV[8] the largest number that a window of theirs allows
-- ARGV[9] recipient whose code it must be, empty for anybody's   ARGV[10] the same
--         under the previous secret
-- ARGV[11] key of the codes that were entered and are to be counted, empty not to
--          count them here   ARGV[12] '1' to count it for its exchange too, or '0'
-- Returns 'unknown', 'expired', or 'right' or 'wrong' with the attempts left, the
-- milliseconds that an entry which it ended had left or 0, and recipient and area;
-- if a right code is to be counted, also exchange and area code and the ops of its
-- messages

--include base
--include entry

local replyKey = #KEYS % 2 == 1 and KEYS[#KEYS]
local reply
local messages -- of a right code
local wrong -- version that a wrong code was for

-- hasRecipient reports whether a version was sent to whom the caller says.
local function hasRecipient(version)
  local recipient = ARGV[9] ~= '' and string.sub(ownerOf(version), 1, -2)
  return not recipient or recipient == ARGV[9] or recipient == ARGV[10]
end

-- messagesOf returns the exchange, the area code and the ops of the messages that
-- held the code of a version, or nothing where they are not counted.
local function messagesOf(version)
  local ending = endingOf(version)
  if string.sub(ending, 2, 2) ~= 'u' then
    return ''
  end
  local first = string.sub(ending, 15, 15) ~= 'o' and string.sub(version, 11, 18) or ''
  return string.sub(ending, 3, 13) .. first .. string.sub(ending, 20)
end

-- replyFor returns the reply for a version that has so many attempts left.
local function replyFor(version, left, ttl)
  return (messages and 'right ' or 'wrong ') .. left .. ' ' .. (left == '0' and ttl or 0) .. ' ' .. ownerOf(version) .. (messages or '')
end

-- Nearly all entries have one version. Such an entry is served before the
-- functions for several are made: that takes longer than the rest.
local fields = #KEYS == 2 and not expired and redis.call('HMGET', KEYS[1], 'e', ARGV[2])
local version = fields and not fields[2] and fields[1]
if version and flagOf(version) == '-' then
  local attempts, lifetime = string.match(version, '(%d+) (%d+)', 41)
  local ttl = endOf(version) - now
  if ttl > 0 and ttl <= lifetime * 1000 and attempts ~= '0' and hasRecipient(version) then
    local code = codeOf(version)
    messages = (code == ARGV[3] or code == ARGV[4]) and messagesOf(version)
    wrong = not messages and version
    local left = messages and '0' or string.format('%d', attempts - 1)
    reply = replyFor(version, left, ttl)
    if left == '0' then
      redis.call('HSET', KEYS[1], 'e', string.sub(version, 1, 39) .. 'x' .. string.sub(version, 41), ARGV[2], time[1] .. reply)
      redis.call('PEXPIRE', KEYS[1], remember)
      redis.call('ZREM', KEYS[2], nameOf(KEYS[1]))
    else
      redis.call('HSET', KEYS[1], 'e', string.sub(version, 1, 40) .. left .. string.sub(version, 41 + #attempts), ARGV[2], time[1] .. reply)
      if ttl < remember then -- the reply may be asked for when the entry has expired
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

  local savedReply = replyKey and redis.call('HGET', replyKey, ARGV[2])
  local entry
  if not savedReply then
    entry = open(KEYS[1], KEYS[2], ARGV[2])
    local old = KEYS[4] and open(KEYS[3], KEYS[4], ARGV[2])
    if old and not entry.savedReply and (old.savedReply or #entry == 0 and noticeOf(entry) <= now) then
      entry = old
    end
    savedReply = entry.savedReply
  end
  if savedReply then
    -- It writes, so that who waits for the replicas waits for the first reply too.
    local key = replyKey or entry.key
    redis.call('PEXPIRE', key, redis.call('PTTL', key))
    return stamp .. savedReply
  end
  if expired then
    return stamp .. 'late'
  end

  -- forCall returns a reply to save in the entry. It is saved before all else,
  -- because a server out of memory refuses that: else a right code would be let
  -- through where a wrong one could not be charged.
  local function forCall(reply)
    if not replyKey then
      return reply
    end
    redis.call('HSET', replyKey, ARGV[2], reply)
    redis.call('PEXPIRE', replyKey, ARGV[5])
  end

  local version, ttl = entry[entry.current], ttlOf(entry)
  if ttl == 0 then
    local over = #entry == 0 or version and entry.attempts > 0
    if not over or noticeOf(entry) <= now then
      return stamp .. 'unknown'
    end
    drop(entry, forCall('expired'))
    return stamp .. 'expired'
  end
  if not hasRecipient(version) then
    return stamp .. 'unknown'
  end
  local code = codeOf(version)
  messages = (code == ARGV[3] or code == ARGV[4]) and messagesOf(version)
  wrong = not messages and version
  local left = messages and '0' or string.format('%d', entry.attempts - 1)
  reply = replyFor(version, left, ttl)
  if messages or left == '0' and entry.current == 1 then
    drop(entry, forCall(reply))
  else
    -- With no attempts left it stays while those before it may count again.
    version = withAttempts(version, left)
    entry[entry.current] = version
    if #entry == 1 then
      put(entry, version, forCall(reply))
      if entry.hadPredecessors then
        redis.call('HDEL', entry.key, 'b')
      end
      if ttl < remember then -- the reply may be asked for when the entry has expired
        redis.call('PEXPIRE', entry.key, ttl + remember)
      end
    else
      save(entry, forCall(reply))
    end
    if left == '0' and entry.current == #entry then
      redis.call('ZREM', entry.noticesKey, nameOf(entry.key))
    end
  end
end

if messages and messages ~= '' and ARGV[11] ~= '' then
  -- The next reservation counts it, before it looks at a limit: a check must be
  -- quick.
  if redis.call('RPUSH', ARGV[11], ARGV[12] .. messages) == 1 then
    redis.call('PEXPIRE', ARGV[11], 90000000)
  end
end
if wrong and ARGV[6] ~= '' then
  --include log

  local key = ARGV[6] .. '{' .. string.sub(ownerOf(wrong), 1, -2) .. '}'
  addToLog(key, ARGV[2], readLog(key, tonumber(ARGV[7]), tonumber(ARGV[8])))
end
return stamp .. reply
