-- Claims the request of an Idempotency-Key, or returns what became of it.
--
-- KEYS[1] request
-- ARGV[2] digest of its arguments   ARGV[3] op of this claim
-- ARGV[4] lease in milliseconds; 0 if anybody may run the request at once
-- ARGV[5] milliseconds to remember the request
-- Returns 'run' with the op, 'answered' with the saved answer, 'running' with the
-- milliseconds until the lease ends, or 'other' if its arguments were others

--include base

local digest, ownOp, lease, keep = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local request = redis.call('HMGET', KEYS[1], 'a', 'o', 'u', 't')
local arguments, op, leaseEnd, answer = request[1], request[2], request[3], request[4]
if arguments then
  if arguments ~= digest then
    return stamp .. 'other'
  end
  if answer then
    return stamp .. 'answered ' .. answer
  end
  if op == ownOp or lease == '0' then
    return stamp .. 'run ' .. op
  end
  -- A lease that ends later than the request is remembered is wrong: the clock of
  -- Redis has stepped back.
  if leaseEnd - now > 0 and leaseEnd - now <= tonumber(keep) then
    return stamp .. 'running ' .. (leaseEnd - now)
  end
end
if expired then
  return stamp .. 'late'
end
redis.call('HSET', KEYS[1], 'a', digest, 'o', ownOp, 'u', now + lease)
redis.call('PEXPIRE', KEYS[1], keep)
return stamp .. 'run ' .. ownOp
