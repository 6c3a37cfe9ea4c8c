-- Compares a code with the entry's, and spends an attempt if it is wrong.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3] operation, if its answer is to be kept for longer
-- ARGV[2] op      ARGV[3] digest of the code
-- ARGV[4] milliseconds to keep it
-- Returns 'unknown', 'expired', or 'right' or 'wrong' with the attempts left, the
-- milliseconds that an entry which it ended had left or 0, and digest of the
-- number and area

local kept = KEYS[3]
if kept then
  told = redis.call('GET', kept)
end
if told then
  -- It writes, so that who waits for the replicas waits for the first answer too.
  local note = kept or KEYS[1]
  redis.call('PEXPIRE', note, redis.call('PTTL', note))
  return clock .. told
end
if late then
  return clock .. 'late'
end

local answer, left, rest = 'unknown', '0', nil
if life > 0 then
  if string.sub(entry, 1, 10) == ARGV[3] then
    answer = 'right 0 ' .. life
  else
    left, rest = string.match(entry, '(%d+)(.*)', 42)
    left = string.format('%d', left - 1)
    answer = 'wrong ' .. left .. ' ' .. (left == '0' and life or 0)
  end
  answer = answer .. ' ' .. string.sub(entry, 19, 29)
elseif tonumber(redis.call('ZSCORE', KEYS[2], name) or 0) > now then
  answer = 'expired'
end

-- No effect is without a note of the answer. It comes first because a server
-- out of memory refuses it: else a right code would be let through where a wrong
-- one could not be charged.
local note = answer
if kept then
  redis.call('SET', kept, answer, 'PX', ARGV[4])
  note = nil
end
if left ~= '0' then
  write(string.sub(entry, 1, 40) .. 'n' .. left .. rest, ARGV[2], note)
  if life <= remember then -- the notes may be asked for when the entry has expired
    redis.call('PEXPIRE', KEYS[1], life + remember)
  end
elseif answer ~= 'unknown' then
  finish(ARGV[2], note)
end
return clock .. answer
