-- Removes an entry, so that its id is unknown.
--
-- KEYS[1] entry   KEYS[2] notice of its expiry   KEYS[3] operation
-- ARGV[2] remove only the entry of this put; empty removes any
-- ARGV[3] milliseconds to remember the operation
-- Returns {now, 'done', milliseconds that the entry had left, 0 if there was none}

local told = redis.call('GET', KEYS[3])
if told then
  return { now, 'done', tonumber(told) }
end
if late then
  return { now, 'late' }
end
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'o') ~= ARGV[2] then
  return { now, 'done', 0 }
end
local left = rest(KEYS[1])
-- Also a server out of memory may free some, so this one begins with DEL;
-- the note of the operation keeps a repetition from removing a later entry.
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], digits(left), 'PX', ARGV[3])
return { now, 'done', left }
