-- Removes an entry and returns its versions, to be stored under another secret in
-- another slot.
--
-- KEYS[1] entry   KEYS[2] notices
-- ARGV[2] op
-- Returns 'moved' and, if there is an entry, its message (18 bytes, or as many
-- blanks) and its packed versions

--include base
--include entry
--include notice
--include versions
--include replace

local entry = open(KEYS[1], KEYS[2], ARGV[2])
if entry.savedReply or expired then
  return stamp .. (entry.savedReply or 'late')
end
local versions = { notices = {} }
move(versions, entry, {})
local reply = 'moved '
if #versions > 0 then
  reply = reply .. (versions.message or string.rep(' ', 18)) .. packAll(versions, #versions)
  finish(entry, reply)
  redis.call('HDEL', entry.key, 'm')
end
redis.call('ZREM', entry.noticesKey, nameOf(entry.key))
return stamp .. reply
