-- Compares a code with the entry's, and spends an attempt if it is wrong.
--
-- KEYS[1] entry   KEYS[2] notice of its expiry   KEYS[3] operation
-- ARGV[2] digest of the code
-- ARGV[3] milliseconds to remember the operation
-- ARGV[4] 1 to remember also an answer that has no effect
-- Returns {now, 'right'}, {now, 'wrong', attempts left, digest of the number},
-- {now, 'expired'} or {now, 'unknown'}

local told = redis.call('GET', KEYS[3])
if told then
  local left, recipient = string.match(told, '^wrong (%d+) (.*)$')
  if left then
    return { now, 'wrong', left, recipient }
  end
  -- A write, so that who waits for the replicas waits for the first one too.
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
  return { now, told }
end
if late then
  return { now, 'late' }
end

-- Every effect is preceded by a note of its answer under the operation, so
-- that the same operation, sent again because a reply was lost, has no second
-- one. The note comes first because a server out of memory refuses it: else
-- DEL would let a right code through where a wrong one could not be charged.
local function answer(text)
  redis.call('SET', KEYS[3], text, 'PX', ARGV[3])
end

local entry = redis.call('HMGET', KEYS[1], 'c', 'l', 'r')
local code, left, recipient = entry[1], entry[2], entry[3]

if not code then
  if redis.call('EXISTS', KEYS[2]) == 0 then
    if ARGV[4] == '1' then
      answer('unknown')
    end
    return { now, 'unknown' }
  end
  answer('expired')
  redis.call('DEL', KEYS[2])
  return { now, 'expired' }
end

if code == ARGV[2] then
  answer('right')
  redis.call('DEL', KEYS[1], KEYS[2])
  return { now, 'right' }
end

left = digits(left - 1)
answer('wrong ' .. left .. ' ' .. recipient)
if left == '0' then
  redis.call('DEL', KEYS[1], KEYS[2])
else
  redis.call('HSET', KEYS[1], 'l', left)
end
return { now, 'wrong', left, recipient }
