-- Returns what receipts said about a message. It changes nothing.
--
-- KEYS[1] message
-- Returns 'rejected' and by whom, 'taken' or 'sent'

--include base

local message = redis.call('HMGET', KEYS[1], 't', 'f', 'w')
local taken, rejected, by = message[1], message[2], message[3]
if rejected then
  return stamp .. 'rejected ' .. by
end
return stamp .. (taken and 'taken' or 'sent')
