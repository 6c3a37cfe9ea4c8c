-- Undoes a reservation, or any part of it. A turn to send is not given back.
--
-- KEYS    those of the entry, if it is undone: entry and notices under each secret;
--         then one for each limit
-- ARGV[2] op of the reservation
-- ARGV[3] how many keys are those of the entry
-- ARGV[4] op of this call
-- ARGV[5] prefix of every key if codes that were entered are to be counted first, else
--         empty: a code is not counted if its message was removed before
-- ARGV[6] … for each limit 'log' or 'set'
-- Returns 'removed' and 1 if there was an entry to remove, else 0

--include base
--include entry
--include notice
--include versions
--include replace
--include log
--include log_remove
--include unverified
--include entered

local reservation, entryKeys, op, prefix = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local answer, entries = 'removed 0', {}
for i = 1, entryKeys, 2 do
  local entry = open(KEYS[i], KEYS[i + 1], op)
  if entry.savedReply then
    return stamp .. entry.savedReply
  end
  entries[#entries + 1] = entry
end
if expired then
  return stamp .. 'late'
end
for _, entry in ipairs(entries) do
  if remove(entry, reservation, 'removed 1') then
    answer = 'removed 1'
  end
end
local entered = prefix ~= '' and countEntered(prefix) or 0
for i = 6, #ARGV do
  local key = KEYS[entryKeys + i - 5]
  if ARGV[i] == 'log' then
    removeFromLog(key, reservation)
  else
    redis.call('ZREM', key, reservation)
  end
end
dropEntered(prefix, entered)
return stamp .. answer
