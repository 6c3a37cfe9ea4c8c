-- Runs before the scripts that tell whether an entry lives or has expired.
--
-- KEYS[1] entry   KEYS[2] notices
--
-- An entry is a hash. Its field e is made of the digest of the code (10 bytes),
-- the op of the put that made it (8), the digest of the number (10), its area
-- (1), the milliseconds of Redis time at its end (11 hex digits) and those that
-- the entry had left which it replaced; it is empty when the entry has ended
-- and only its notes are kept. l is the attempts left, n are notes, m tells
-- its message.
--
-- A notice tells that an entry has expired or will have. Those of all entries
-- with the same hash tag are one sorted set, because a key for each would take
-- several times as much: what the entry's key ends with (11 characters), by the
-- milliseconds of Redis time until which it counts.

local name = string.sub(KEYS[1], -11)

-- lifeOf returns the milliseconds that an entry has left, 0 if it has ended.
local function lifeOf(entry)
  if not entry or entry == '' then
    return 0
  end
  return math.max(0, tonumber(string.sub(entry, 30, 40), 16) - now)
end

-- noticed tells whether there is a notice that counts.
local function noticed()
  return tonumber(redis.call('ZSCORE', KEYS[2], name) or 0) > now
end
