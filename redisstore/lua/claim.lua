-- Claims the request of an idempotency key, or returns what became of it.
--
-- KEYS[1] request
-- ARGV[2] digest of its arguments   ARGV[3] op of this claim
-- ARGV[4] milliseconds that the request may take, 0 if anybody may run it at once
-- ARGV[5] milliseconds to remember it
-- Returns 'run' with the op, 'answered' with the answer, 'running' with the
-- milliseconds until its time is over, or 'other' if it had other arguments

--include base

local request = redis.call('HMGET', KEYS[1], 'a', 'o', 'u', 't')
local arguments, op, over, answer = request[1], request[2], request[3], request[4]
if arguments then
  if arguments ~= ARGV[2] then
    return stamp .. 'other'
  end
  if answer then
    return stamp .. 'answered ' .. answer
  end
  if op == ARGV[3] or ARGV[4] == '0' then
    return stamp .. 'run ' .. op
  end
  -- A time that is further off than a request is remembered is wrong: the clock
  -- of Redis has stepped back.
  if over - now > 0 and over - now <= tonumber(ARGV[5]) then
    return stamp .. 'running ' .. (over - now)
  end
end
if expired then
  return stamp .. 'late'
end
redis.call('HSET', KEYS[1], 'a', ARGV[2], 'o', ARGV[3], 'u', now + ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return stamp .. 'run ' .. ARGV[3]
