-- Records a message that was sent, and joins the receipts that arrived before.
--
-- KEYS[1] message
-- ARGV[2] op of the entry's reservation   ARGV[3] digest of the number
-- ARGV[4] area   ARGV[5] caller   ARGV[6] TTL in seconds
-- ARGV[7] exchange and area code if the message counts as unverified, else empty
-- Returns 'recorded', 1 if a receipt said that it was taken, and 1 if one said that
-- it was rejected; else 0

--include base

local op, number, area, caller, ttl, destination = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local message = redis.call('HMGET', KEYS[1], 'o', 't', 'f')
local reservation, taken, rejected = message[1], message[2], message[3]
if not reservation then
  if expired then
    return stamp .. 'late'
  end
  redis.call('HSET', KEYS[1], 'o', op, 'r', number, 'a', area, 'n', caller, 'x', destination)
  -- From now on this call counts what earlier receipts said, even when it is sent
  -- again; the calls that recorded those receipts no longer do.
  if taken then
    taken = op
    redis.call('HSET', KEYS[1], 't', taken)
  end
  if rejected then
    rejected = op
    redis.call('HSET', KEYS[1], 'f', rejected)
  end
  redis.call('EXPIRE', KEYS[1], ttl)
end
return stamp .. ('recorded ' .. (taken == op and 1 or 0) .. ' ' .. (rejected == op and 1 or 0))
