-- Returns what counts under the windows of limits. It changes nothing.
--
-- KEYS    logs
-- ARGV[2] … for each log the number of its windows, and for each window how many
--         events it allows in how many milliseconds
-- Returns 'limits' and for each window how many events are in it, and the
-- milliseconds until it has room for one more, 0 if it has

--include base
--include log
--include log_count

local answer, at = 'limits', 2
for _, key in ipairs(KEYS) do
  local log = readLog(key)
  local first, last = at + 1, at + 2 * ARGV[at]
  for i = first, last, 2 do
    local max, span = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    answer = answer .. ' ' .. eventsIn(log, span) .. ' ' .. waitOfLog(log, max, span)
  end
  at = last + 1
end
return stamp .. answer
