-- Shows what receipts said of a message and changes nothing.
--
-- KEYS[1] message
-- Returns 'rejected' and by whom, 'taken' or 'sent'

--include base

local message = redis.call('HMGET', KEYS[1], 't', 'f', 'w')
if message[2] then
  return stamp .. 'rejected ' .. message[3]
end
return stamp .. (message[1] and 'taken' or 'sent')
