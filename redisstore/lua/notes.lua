-- Runs before the scripts that change an entry.
--
-- KEYS[1] entry   ARGV[2] op
--
-- A note is what an operation of the last moments came to: a field of the entry,
-- named by its op (8 bytes), with the seconds of Redis time (10 digits) and the
-- answer. The same operation, sent again because a reply was lost, has no second
-- effect. The notes of an entry outlive it for as long as they are asked for. What
-- the put that made it came to, the entry itself tells.

local remember = 2000 -- milliseconds: longer than anybody repeats an operation

local noted = state ~= '-' and entry ~= '' -- whether there may be notes
local told = noted and redis.call('HGET', KEYS[1], ARGV[2]) -- the answer that the operation has already
told = told and string.sub(told, 11)

-- write stores an entry and, if there is an answer, the operation's note.
local function write(made, op, answer)
  if not answer then
    redis.call('HSET', KEYS[1], 'e', made)
    return
  end
  redis.call('HSET', KEYS[1], 'e', made, op, time[1] .. answer)
  -- Notes that nobody asks for any more go whenever their number has doubled, so
  -- that on average they cost an operation the same, however many are made at once.
  local fields = noted and redis.call('HLEN', KEYS[1]) or 0
  if fields >= 8 and math.frexp(fields) == 0.5 then
    local all = redis.call('HGETALL', KEYS[1])
    for i = 1, #all, 2 do
      if #all[i] == 8 and (time[1] - string.sub(all[i + 1], 1, 10)) * 1000 > remember then
        redis.call('HDEL', KEYS[1], all[i])
      end
    end
  end
end

-- finish ends the entry, if it lives, and keeps it for its notes.
local function finish(op, answer)
  local ended = #entry > 40 and string.sub(entry, 1, 40) .. 'x' .. string.sub(entry, 42) or 'x'
  write(ended, op, answer)
  redis.call('PEXPIRE', KEYS[1], remember)
  redis.call('ZREM', KEYS[2], name)
end
