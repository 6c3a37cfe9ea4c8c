-- Gives a place in a log back.
--
-- KEYS[1] log
-- ARGV[2] op
-- Returns 'done'

if late then
  return clock .. 'late'
end
local log = redis.call('GET', KEYS[1]) or ''
local at = find(log)
if at and #log == size then
  redis.call('DEL', KEYS[1])
elseif at then
  redis.call('SET', KEYS[1], string.sub(log, 1, at - 1) .. string.sub(log, at + size), 'KEEPTTL')
end
return clock .. 'done'
