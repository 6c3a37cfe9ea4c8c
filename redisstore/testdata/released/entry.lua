-- Runs before the scripts that change an entry.
--
-- KEYS[1] entry   KEYS[2] notices   ARGV[2] op
--
-- A note is what an operation of the last moments came to: its op (8 bytes),
-- the seconds of Redis time (10 digits), the length of its answer (1 byte) and
-- the answer. The same operation, sent again because a reply was lost, has no
-- second effect. The notes of an entry outlive it for as long as they are asked for.

local remember = 2000 -- milliseconds: longer than anybody repeats an operation

local stored = redis.call('HMGET', KEYS[1], 'e', 'l', 'n')
local entry, left, notes = stored[1], stored[2], stored[3] or ''
local life = lifeOf(entry)

local told -- the answer that the operation has already
if notes ~= '' then
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

-- notePut notes the put that made the entry, of which the entry itself tells
-- as long as it lives.
local function notePut()
  if life > 0 then
    note(string.sub(entry, 11, 18), 'done ' .. string.sub(entry, 41))
  end
end

-- finish ends the entry and keeps its notes.
local function finish()
  notePut()
  redis.call('HSET', KEYS[1], 'e', '', 'n', notes)
  redis.call('PEXPIRE', KEYS[1], remember)
  redis.call('ZREM', KEYS[2], name)
end
