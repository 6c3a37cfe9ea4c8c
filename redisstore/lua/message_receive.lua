-- Records a delivery receipt, even if its message is not known yet.
--
-- KEYS[1] message
-- ARGV[2] op   ARGV[3] content, which is the same if the receipt is delivered again
-- ARGV[4] what it says about the message: 't' taken, 'f' rejected, 's' neither
-- ARGV[5] who rejected it
-- ARGV[6] TTL in milliseconds of the receipt of an unknown message
-- Returns 'joined', 'early' or 'duplicate', and of a known message: 1 if this receipt
-- is the first to say so, else 0; the op of the entry's reservation, the digest of the
-- number, and exchange and area code or as many blanks, without blanks between; area
-- and caller

--include base

local op, content, says, by, keep = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local message = redis.call('HMGET', KEYS[1], 'o', 'r', 'a', 'n', content, says, 'x')
local reservation, number, area, caller = message[1], message[2], message[3], message[4]
local known, first, destination = message[5], message[6], message[7] -- known and first are ops
if not known then
  if expired then
    return stamp .. 'late'
  end
  local fields = { content, op }
  if not first then
    -- With the op, so that this call counts as the first when it is sent again.
    -- When the message is recorded later, that call counts it instead.
    first = op
    fields = { content, op, says, first }
    if says == 'f' then
      fields[5], fields[6] = 'w', by
    end
  end
  redis.call('HSET', KEYS[1], unpack(fields))
  if not reservation then
    redis.call('PEXPIRE', KEYS[1], keep)
  end
end
local result = reservation and 'joined' or 'early'
if known and known ~= op then
  result = 'duplicate'
end
if not reservation then
  return stamp .. result
end
return stamp .. (result .. ' ' .. (first == op and 1 or 0) .. ' ' .. reservation .. number
  .. string.format('%-11s', destination or '') .. ' ' .. area .. ' ' .. caller)
