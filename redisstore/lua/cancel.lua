-- Removes the live entry, so that its id is unknown.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3], KEYS[4] the same under the previous secret, if there is one
-- ARGV[2] op
-- Returns 'done' and the milliseconds that the entry had left, 0 if there was none

--include base
--include entry
--include notice
--include versions

local op = ARGV[2]
local ttl, found = 0, {}
for i = 1, #KEYS, 2 do
  local entry = open(KEYS[i], KEYS[i + 1], op)
  if entry.savedReply then
    return stamp .. entry.savedReply
  end
  ttl = math.max(ttl, ttlOf(entry))
  if entry.current > 0 or #entry == 0 and noticeOf(entry) > 0 then
    found[#found + 1] = entry
  end
end
if expired then
  return stamp .. 'late'
end
local reply = 'done ' .. ttl
for _, entry in ipairs(found) do
  -- A server out of memory must let an entry be removed too. After a first write
  -- that frees memory, a script may write what it needs.
  redis.call('HDEL', entry.key, 'm')
  drop(entry, reply)
end
return stamp .. reply
