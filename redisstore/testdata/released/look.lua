-- Looks at an entry and changes nothing.
--
-- KEYS[1] entry   KEYS[2] notices
-- Returns 'live' with the attempts left, the milliseconds to live and the digest
-- of its message or nothing; 'expired' or 'unknown'

local stored = redis.call('HMGET', KEYS[1], 'e', 'l', 'm')
local entry, left, message = stored[1], stored[2], stored[3]
local life = lifeOf(entry)
if life == 0 then
  return clock .. (noticed() and 'expired' or 'unknown')
end
if message and string.sub(message, 1, 8) == string.sub(entry, 11, 18) then
  message = string.sub(message, 9)
else
  message = '' -- not known yet, or of an entry that was replaced
end
return clock .. 'live ' .. left .. ' ' .. string.format('%d', life) .. ' ' .. message
