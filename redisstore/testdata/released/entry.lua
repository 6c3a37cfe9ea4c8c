-- Runs before the scripts that change an entry.
--
-- KEYS[1] entry   KEYS[2] the past   ARGV[2] op
--
-- An entry is a hash. Its field e is made of the digest of the code (10 bytes),
-- the op of the put that made it (8), the digest of the number (10), its area
-- (1), the milliseconds of Redis time at its end (11 hex digits) and those that
-- the entry had left which it replaced; l is the attempts left, n are notes.
--
-- A note is what an operation of the last moments came to: its op (8 bytes),
-- the seconds of Redis time (10 digits), the length of its answer (1 byte) and
-- the answer. The same operation, sent again because a reply was lost, has no
-- second effect. When the entry ends its notes go into the past.

local remember = 2000 -- milliseconds: longer than anybody repeats an operation

local stored = redis.call('HMGET', KEYS[1], 'e', 'l', 'n')
local entry, left, notes = stored[1], stored[2], stored[3] or ''
local items, any, noticed -- of the past, once it is recalled
local life = 0            -- milliseconds that the entry has left
if entry then
  life = math.max(1, tonumber(string.sub(entry, 30, 40), 16) - now)
else
  items, notes, any, noticed = recall()
end

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

-- noted adds a note.
local function noted(op, answer)
  notes = notes .. op .. time[1] .. string.char(#answer) .. answer
end

-- ended notes the put that made the entry, of which the entry itself tells as
-- long as it lives, and recalls the past.
local function ended()
  if entry then
    noted(string.sub(entry, 11, 18), 'done ' .. string.sub(entry, 41))
    local _
    items, _, any, noticed = recall()
  end
end
