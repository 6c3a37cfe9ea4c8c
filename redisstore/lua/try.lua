-- Compares a code with the entry's, and spends an attempt if it is wrong.
--
-- KEYS[1] entry   KEYS[2] notice of its expiry   KEYS[3] operation
-- ARGV[2] digest of the code
-- ARGV[3] milliseconds to remember the operation
-- ARGV[4] 1 to remember also an answer that has no effect
-- Returns {now, 'unknown'}, {now, 'expired'} or {now, 'right LEFT LIFE AREA NUMBER'},
-- or wrong the same: attempts left, milliseconds that an entry which it ended
-- had left or 0, area and digest of the number.

-- Every effect is preceded by a note of its answer under the operation, so
-- that the same operation, sent again because a reply was lost, has no second
-- one. The note comes first because a server out of memory refuses it: else
-- DEL would let a right code through where a wrong one could not be charged.
local function note(answer)
  return redis.call('SET', KEYS[3], answer, 'PX', ARGV[3], 'NX')
end

-- told is the answer that the operation has already. It writes, so that who
-- waits for the replicas waits for the first answer too.
local function told()
  local answer = redis.call('GET', KEYS[3])
  if answer then
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
  end
  return answer
end

local entry = redis.call('HMGET', KEYS[1], 'c', 'l', 'r', 'a')
local code, left = entry[1], entry[2]

if late or not code then
  local answer = told()
  if answer or late then
    return { now, answer or 'late' }
  end
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

local answer, life = 'right ', '0'
if code == ARGV[2] then
  left = '0'
else
  answer, left = 'wrong ', digits(left - 1)
end
if left == '0' then
  life = digits(rest(KEYS[1]))
end
answer = answer .. left .. ' ' .. life .. ' ' .. (entry[4] or '0') .. ' ' .. entry[3]
if not note(answer) then
  return { now, told() }
end
if left == '0' then
  redis.call('DEL', KEYS[1], KEYS[2])
else
  redis.call('HSET', KEYS[1], 'l', left)
end
return { now, answer }
