-- Undoes a reservation, or any part of it. Turns are not given back.
--
-- KEYS    those of the entry, if there is one: entry and notices under each
--         secret; one for each limit
-- ARGV[2] op of the reservation
-- ARGV[3] how many keys are those of the entry
-- ARGV[4] op of this call
-- ARGV[5] … for each limit 'log', or how else its events are kept
-- Returns 'removed' and 1 if there was an entry to remove, else 0

--include base
--include entry
--include notice
--include versions
--include replace
--include log

local key, answer = tonumber(ARGV[3]), 'removed 0'
local entries = {}
for i = 1, key, 2 do
  local entry = open(KEYS[i], KEYS[i + 1], ARGV[4])
  if entry.savedReply then
    return stamp .. entry.savedReply
  end
  entries[#entries + 1] = entry
end
if expired then
  return stamp .. 'late'
end
for _, entry in ipairs(entries) do
  if remove(entry, ARGV[2], 'removed 1') then
    answer = 'removed 1'
  end
end
for i = 5, #ARGV do
  key = key + 1
  if ARGV[i] == 'log' then
    removeFromLog(KEYS[key], ARGV[2])
  else
    redis.call('ZREM', KEYS[key], ARGV[2])
  end
end
return stamp .. answer
