-- Looks at an entry and changes nothing.
--
-- KEYS[1] entry   KEYS[2] notice of its expiry
-- Returns {now, 'live', attempts left, milliseconds to live, digest of its message
-- or ''}, {now, 'expired'} or {now, 'unknown'}

local entry = redis.call('HMGET', KEYS[1], 'o', 'l', 'm')
local op, left, message = entry[1], entry[2], entry[3]
if not op then
  return { now, redis.call('EXISTS', KEYS[2]) == 1 and 'expired' or 'unknown' }
end
if message and string.sub(message, 1, #op) == op then
  message = string.sub(message, #op + 1)
else
  message = '' -- not known yet, or of an entry that was replaced
end
return { now, 'live', left, redis.call('PTTL', KEYS[1]), message }
