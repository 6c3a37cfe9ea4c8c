-- Runs before the scripts that look at an entry.
--
-- KEYS[1] entry   KEYS[2] notices
--
-- An entry is a hash. Its field e is made of the digest of the code (10 bytes),
-- the op of the put that made it (8), the digest of the number (10), its area
-- (1), the milliseconds of Redis time at its end (11 hex digits), its state (1),
-- the attempts left, a blank, and the milliseconds that the entry had left which
-- it replaced. The state is '-' of an entry that lives and 'n' of one that lives
-- and may have notes; every other has ended, and is kept for its notes only. The
-- field m tells its message, all others are notes. What a check needs as a rule is
-- in one field, because to read three takes Redis nearly twice as long.
--
-- A notice tells that an entry has expired or will have. Those of all entries
-- with the same hash tag are one sorted set, because a key for each would take
-- several times as much: what the entry's key ends with (11 characters), by the
-- milliseconds of Redis time until which it counts.

local name = string.sub(KEYS[1], -11)
local entry = redis.call('HGET', KEYS[1], 'e') or ''
local state = string.sub(entry, 41, 41)

local life = 0 -- milliseconds that the entry has left
if state == '-' or state == 'n' then
  life = math.max(0, tonumber(string.sub(entry, 30, 40), 16) - now)
end
