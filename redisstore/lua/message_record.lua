-- Records a message that the carrier took, and joins the receipts that came before.
--
-- KEYS[1] message
-- ARGV[2] op of the entry's put   ARGV[3] digest of the number
-- ARGV[4] area   ARGV[5] caller   ARGV[6] seconds to live
-- ARGV[7] exchange and area code where the message is counted as unverified, else empty
-- Returns 'recorded', 1 if a receipt said that it was taken, and 1 if one said that
-- it was rejected; else 0

--include base

local message = redis.call('HMGET', KEYS[1], 'o', 't', 'f')
local put, taken, rejected = message[1], message[2], message[3]
if not put then
  if expired then
    return stamp .. 'late'
  end
  redis.call('HSET', KEYS[1], 'o', ARGV[2], 'r', ARGV[3], 'a', ARGV[4], 'n', ARGV[5], 'x', ARGV[7])
  -- What receipts said before is told by this op, and by its repetition: no
  -- longer by theirs.
  if taken then
    taken = ARGV[2]
    redis.call('HSET', KEYS[1], 't', taken)
  end
  if rejected then
    rejected = ARGV[2]
    redis.call('HSET', KEYS[1], 'f', rejected)
  end
  redis.call('EXPIRE', KEYS[1], ARGV[6])
end
return stamp .. ('recorded ' .. (taken == ARGV[2] and 1 or 0) .. ' ' .. (rejected == ARGV[2] and 1 or 0))
