-- Runs before the scripts that change an entry.
--
-- KEYS[1] entry   ARGV[2] op
--
-- A note is what an operation of the last moments came to: its op (8 bytes),
-- the seconds of Redis time (10 digits), the length of its answer (1 byte) and
-- the answer. The same operation, sent again because a reply was lost, has no
-- second effect. The notes of an entry outlive it for as long as they are asked
-- for. What the put that made it came to, the entry itself tells.

local remember = 2000 -- milliseconds: longer than anybody repeats an operation

local notes = ''
local told -- the answer that the operation has already
if state ~= '-' and entry ~= '' then
  notes = redis.call('HGET', KEYS[1], 'n') or ''
  local at = string.find(notes, ARGV[2], 1, true)
  if at then
    told = string.sub(notes, at + 19, at + 18 + string.byte(notes, at + 18))
  end
  local first = 1 -- of the notes that may be asked for yet
  while first < #notes and (time[1] - string.sub(notes, first + 8, first + 17)) * 1000 > remember do
    first = first + 19 + string.byte(notes, first + 18)
  end
  notes = string.sub(notes, first)
end

-- note adds a note.
local function note(op, answer)
  notes = notes .. op .. time[1] .. string.char(#answer) .. answer
end

-- finish ends the entry and keeps its notes.
local function finish()
  redis.call('HSET', KEYS[1], 'e', string.sub(entry, 1, 40) .. 'x' .. string.sub(entry, 42), 'n', notes)
  redis.call('PEXPIRE', KEYS[1], remember)
  redis.call('ZREM', KEYS[2], name)
end
