-- Looks at what receipts said of a message and changes nothing.
--
-- KEYS[1] message
-- Returns {now, 'rejected', by whom}, {now, 'taken'} or {now, 'sent'}

local message = redis.call('HMGET', KEYS[1], 't', 'f', 'w')
if message[2] then
  return { now, 'rejected', message[3] }
end
return { now, message[1] and 'taken' or 'sent' }
