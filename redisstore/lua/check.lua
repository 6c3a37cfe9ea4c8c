-- Compares a code with the entry's, and spends an attempt if it is wrong.
--
-- KEYS[1] saved reply   KEYS[2] entry   KEYS[3] notices
-- KEYS[4], KEYS[5] entry and notices under the previous secret, if there is one
-- ARGV[2] op
-- ARGV[3] digest of the code   ARGV[4] the same under the previous secret, or empty
-- ARGV[5] milliseconds to save the reply, 0 for the repetitions of the call
-- ARGV[6] what the key of a number's wrong codes begins with, empty not to count
--         them here   ARGV[7] milliseconds that their longest window spans
-- ARGV[8] the largest number that a window of theirs allows
-- Returns 'unknown', 'expired', or 'right' or 'wrong' with the attempts left, the
-- milliseconds that an entry which it ended had left or 0, and recipient and area

local keep = ARGV[5] ~= '0'
local savedReply = keep and redis.call('GET', KEYS[1])
local entry
if not savedReply then
  entry = open(KEYS[2], KEYS[3], KEYS[1], ARGV[2])
  local old = KEYS[4] and open(KEYS[4], KEYS[5], KEYS[1], ARGV[2])
  if old and not entry.savedReply and (old.savedReply or #entry == 0 and noticeOf(entry) <= now) then
    entry = old
  end
  savedReply = entry.savedReply
end
if savedReply then
  -- It writes, so that who waits for the replicas waits for the first reply too.
  local key = keep and KEYS[1] or entry.key
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
  if not keep then
    return reply
  end
  redis.call('SET', KEYS[1], reply, 'PX', ARGV[5])
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
local code = codeOf(version)
if code == ARGV[3] or code == ARGV[4] then
  local reply = 'right 0 ' .. ttl .. ' ' .. ownerOf(version)
  drop(entry, forCall(reply))
  return stamp .. reply
end
local left = string.format('%d', entry.attempts - 1)
local reply = 'wrong ' .. left .. ' ' .. (left == '0' and ttl or 0) .. ' ' .. ownerOf(version)
if left == '0' and entry.current == 1 then
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
    redis.call('ZREM', entry.noticesKey, nameOf(entry))
  end
end
if ARGV[6] ~= '' then
  local key = ARGV[6] .. '{' .. recipientOf(version) .. '}'
  addToLog(key, readLog(key, tonumber(ARGV[7]), tonumber(ARGV[8])), ARGV[2])
end
return stamp .. reply
