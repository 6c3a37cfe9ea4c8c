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
  local log, span = readLog(key, 0, 0)
  answer = answer .. ' ' .. eventsIn(log, span)
  redis.call('DEL', key)
end
return stamp .. answer
