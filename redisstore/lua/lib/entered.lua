-- Counting codes that were entered; see unverified.lua.

-- addVerified counts a code that was entered.
local function addVerified(key)
  if redis.call('HINCRBY', key, math.floor(now / quarter), 1) > 1 then
    return
  end
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if math.abs(ageOf(fields[i])) >= quartersOfDay then
      redis.call('HDEL', key, fields[i])
    end
  end
  redis.call('PEXPIRE', key, keepUnverified)
end

-- verify counts a code that was entered in the hashes under the keys from the fourth
-- on, and removes its messages from the sets under the first three. It does nothing if
-- no set has one of them: then the call was sent again, or the code was entered after
-- the messages had left the windows. Its first write is one that a server out of memory
-- refuses.
local function verify(keys, ops)
  local isCounted = false
  for i = 1, 3 do
    for _, op in ipairs(ops) do
      isCounted = isCounted or redis.call('ZSCORE', keys[i], op)
    end
  end
  if isCounted then
    for i = 4, #keys do
      addVerified(keys[i])
    end
    for i = 1, 3 do
      redis.call('ZREM', keys[i], unpack(ops))
    end
  end
end

-- opsOf returns the ops (8 bytes each) in a string from a position on.
local function opsOf(messages, at)
  local ops = {}
  for i = at, #messages, 8 do
    ops[#ops + 1] = string.sub(messages, i, i + 7)
  end
  return ops
end

-- countEntered counts the codes that checks have listed, at most 100, so that no
-- script takes long, and returns how many. prefix is that of every key.
local function countEntered(prefix)
  local entered = redis.call('LRANGE', prefix .. 'y{all}', 0, 99)
  for _, item in ipairs(entered) do
    local destination = string.sub(item, 2, 12)
    local exchange, areaCode = subjectOf('e', destination), subjectOf('c', destination)
    verify({ messagesOf(prefix, exchange), messagesOf(prefix, areaCode), messagesOf(prefix, 'all'), verifiedOf(prefix, areaCode), verifiedOf(prefix, 'all'),
      string.sub(item, 1, 1) == '1' and verifiedOf(prefix, exchange) or nil }, opsOf(item, 13))
  end
  return #entered
end
