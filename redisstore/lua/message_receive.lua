-- Records a receipt, whether or not its message is known yet.
--
-- KEYS[1] message
-- ARGV[2] op   ARGV[3] content, by which another receipt is the same one
-- ARGV[4] what it says of the message: 't' taken, 'f' rejected, 's' neither
-- ARGV[5] who rejected it
-- ARGV[6] milliseconds that the receipt of an unknown message lives
-- Returns 'joined', 'early' or 'duplicate', and of a known message 1 if it is the
-- first to say so, else 0; the op of the entry's put, the digest of the number, and
-- exchange and area code or as many blanks, in one word; area and caller

--include base

local message = redis.call('HMGET', KEYS[1], 'o', 'r', 'a', 'n', ARGV[3], ARGV[4], 'x')
local put, known, first = message[1], message[5], message[6]
if not known then
  if expired then
    return stamp .. 'late'
  end
  local fields = { ARGV[3], ARGV[2] }
  if not first then
    -- Under the op that tells it, so that its repetition tells it again. When
    -- the message comes later it is that one's to tell.
    first = ARGV[2]
    fields = { ARGV[3], ARGV[2], ARGV[4], first }
    if ARGV[4] == 'f' then
      fields[5], fields[6] = 'w', ARGV[5]
    end
  end
  redis.call('HSET', KEYS[1], unpack(fields))
  if not put then
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
  end
end
local result = put and 'joined' or 'early'
if known and known ~= ARGV[2] then
  result = 'duplicate'
end
if not put then
  return stamp .. result
end
return stamp .. (result .. ' ' .. (first == ARGV[2] and 1 or 0) .. ' ' .. put .. message[2]
  .. string.format('%-11s', message[7] or '') .. ' ' .. message[3] .. ' ' .. message[4])
