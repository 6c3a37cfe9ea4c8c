-- Compares a code with the entry's, and spends an attempt if it is wrong.
--
-- KEYS[1] entry   KEYS[2] notice of its expiry   KEYS[3] operation
-- ARGV[2] digest of the code
-- ARGV[3] milliseconds to remember the operation
-- ARGV[4] 1 to remember also an answer that has no effect
-- Returns {now, 'right' or 'wrong', attempts left, milliseconds that an entry
-- which it ended had left, or 0, area and digest of the number},
-- {now, 'expired'} or {now, 'unknown'}

local told = redis.call('GET', KEYS[3])
if told then
  local outcome, left, life, area, number = string.match(told, '^(%a+) (%d+) (%d+) (%d+) (.*)$')
  if outcome ~= 'wrong' then
    -- A write, so that who waits for the replicas waits for the first one too.
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
  end
  if outcome then
    return { now, outcome, left, life, area, number }
  end
  return { now, told }
end
if late then
  return { now, 'late' }
end

-- Every effect is preceded by a note of its answer under the operation, so
-- that the same operation, sent again because a reply was lost, has no second
-- one. The note comes first because a server out of memory refuses it: else
-- DEL would let a right code through where a wrong one could not be charged.
local function note(text)
  redis.call('SET', KEYS[3], text, 'PX', ARGV[3])
end

local entry = redis.call('HMGET', KEYS[1], 'c', 'l', 'r', 'a')
local code, left, number, area = entry[1], entry[2], entry[3], entry[4] or '0'

if not code then
  if not redis.call('GET', KEYS[2]) then
    if ARGV[4] == '1' then
      note('unknown')
    end
    return { now, 'unknown' }
  end
  note('expired')
  redis.call('DEL', KEYS[2])
  return { now, 'expired' }
end

local outcome = 'right'
if code == ARGV[2] then
  left = '0'
else
  outcome, left = 'wrong', digits(left - 1)
end
local life = left == '0' and digits(rest(KEYS[1])) or '0'
note(table.concat({ outcome, left, life, area, number }, ' '))
if left == '0' then
  redis.call('DEL', KEYS[1], KEYS[2])
else
  redis.call('HSET', KEYS[1], 'l', left)
end
return { now, outcome, left, life, area, number }
