-- The entry of an auth_id.
--
-- It is a hash. Field e is the newest version, packed: digest of the code (10
-- bytes), op of the reservation (8), recipient (14) and its area (1), end (6), a
-- flag (1), and with blanks between them the attempts left, the lifetime in
-- seconds and the milliseconds that the version before had left. The flag is 'p'
-- if there are predecessors, 'w' if the version waits for its turn, when its start
-- and the milliseconds until then follow, 'b' for both, and '-' for neither, as
-- nearly always. It is 'x' if the version has ended and the hash is kept for its
-- saved replies.
--
-- Where messages whose code is not entered are counted, a blank, 'u', the exchange
-- (8) and the area code (3) of the number follow.
--
-- Where the code may be sent again, a blank, a mark (1), the digits of the code (4) and the
-- ops of the reservations that sent it again (8 each) end the version. The mark is
-- 's' if the message of the first reservation may have been sent, 'o' if it was
-- not, and 'k' if there were too many to keep, so that the version always stays.
--
-- Field b holds the predecessors, the oldest first: each as its
-- length (3 digits), the end of its notice (6 bytes) and the version. Field m is the
-- op of a reservation and the digest of its message. What a check needs as a rule
-- is in one field, because to read several takes longer.
--
-- Of the versions the newest whose start has come is the one that counts. The
-- versions before it count again if those after it are released.
--
-- All other fields are saved replies, by the op of their call (8 bytes): the
-- seconds of Redis time (10 digits) and the reply. The same call, sent again
-- because its reply was lost, has no second effect. The reply of a reservation needs no field: its version says what it was.
--
-- A notice says that an entry has expired or will have. The notices of all
-- entries with one hash tag are one sorted set, because a key for each would take
-- several times as much: the end of the entry's key (11 characters), by the time
-- until which the notice counts.

local function codeOf(version) return string.sub(version, 1, 10) end
local function ownerOf(version) return string.sub(version, 19, 33) end -- recipient and area
local function endOf(version) return unpackTime(version, 34) end
local function flagOf(version) return string.sub(version, 40, 40) end

-- endingOf returns what follows the numbers of a version.
local function endingOf(version) return string.match(version, '^[%d ]-( [usok].*)$', 41) or '' end

-- nameOf returns the name of the notice of an entry's key.
local function nameOf(key) return string.sub(key, -11) end

-- purge removes replies that nobody asks for any more, of so many that it picks
-- at random. Done for twice as many as are added, it keeps on average one such
-- reply for each other one.
local function purge(key, n)
  local picked = redis.call('HRANDFIELD', key, n, 'WITHVALUES')
  for i = 1, #picked, 2 do
    if #picked[i] == 8 and (time[1] - string.sub(picked[i + 1], 1, 10)) * 1000 > remember then
      redis.call('HDEL', key, picked[i])
    end
  end
end
