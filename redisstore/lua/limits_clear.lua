-- Deletes logs.
--
-- KEYS    logs
-- Returns 'cleared' and for each log how many events it held that a window could
-- still count

--include base
--include log
--include log_count

if expired then
  return stamp .. 'late'
end
local answer = 'cleared'
for _, key in ipairs(KEYS) do
  local log = readLog(key)
  answer = answer .. ' ' .. (log ~= '' and eventsIn(log, unpackTime(log, 1)) or 0)
  redis.call('DEL', key)
end
return stamp .. answer
