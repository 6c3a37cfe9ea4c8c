-- Looks at an entry and changes nothing.
--
-- KEYS[1] entry   KEYS[2] notices
-- Returns 'live' with the attempts left, the milliseconds to live and the digest
-- of its message or nothing; 'expired' or 'unknown'

if life == 0 then
  local notice = tonumber(redis.call('ZSCORE', KEYS[2], name) or 0)
  return clock .. (notice > now and 'expired' or 'unknown')
end
local message = redis.call('HGET', KEYS[1], 'm')
if message and string.sub(message, 1, 8) == string.sub(entry, 11, 18) then
  message = string.sub(message, 9)
else
  message = '' -- not known yet, or of an entry that was replaced
end
return clock .. 'live ' .. string.match(entry, '%d+', 42) .. ' ' .. life .. ' ' .. message
