-- The entry of an auth_id.
--
-- An entry is a hash with one version of the entry for each create.
--
-- Field e is the newest version. What a check usually needs is in this one field,
-- because reading several takes longer. A version is packed:
--
--    bytes  1 to 10  digest of the code
--          11 to 18  op of the reservation
--          19 to 33  recipient (14) and its area (1)
--          34 to 39  end
--                40  flag: 'p' if there are predecessors, 'w' if the version waits for
--                    its turn, 'b' both, '-' neither, as nearly always; 'x' if the
--                    version has ended and the hash is kept for its saved replies
--          41 …      with blanks between: attempts left, lifetime in seconds, and the
--                    milliseconds that the previous version had left; of a version
--                    that waits also its start and the milliseconds until then
--
-- Where unverified messages are counted, a blank, 'u', the exchange (8) and the area
-- code (3) of the number follow.
--
-- Where the code may be sent again, these end the version: a blank, a mark (1), the
-- number of its digits (4) and the ops of the reservations that sent it again (8 each).
-- The mark is 's' if the message of the first reservation may have been sent, 'o' if
-- it was not, and 'k' if there were too many ops to keep, so that the version is never
-- released.
--
-- Field b holds the predecessors, the oldest first: each as its length (3 digits), the
-- end of its notice (6 bytes) and the version.
--
-- Field m is the op of a reservation and the digest of its message.
--
-- The current version is the newest one whose start has come. An earlier version is
-- current again if those after it are released.
--
-- All other fields are saved replies, by the op of their call (8 bytes): the seconds
-- of Redis time (10 digits) and the reply. A call that is sent again because its reply
-- was lost gets the saved reply and has no second effect. A reservation has such a
-- field only if it sent a live code again or its version was removed: else its reply
-- follows from its version.

local function codeOf(version) return string.sub(version, 1, 10) end
local function opOf(version) return string.sub(version, 11, 18) end
local function ownerOf(version) return string.sub(version, 19, 33) end -- recipient and area
local function endOf(version) return unpackTime(version, 34) end
local function flagOf(version) return string.sub(version, 40, 40) end

-- withFlag returns a version with another flag.
local function withFlag(version, flag) return string.sub(version, 1, 39) .. flag .. string.sub(version, 41) end

-- endingOf returns what follows the numbers of a version, or ''.
local function endingOf(version)
  local letter = string.find(version, '[usok]', 41) -- after a blank
  return letter and string.sub(version, letter - 1) or ''
end

-- purge picks n fields at random and removes the replies among them that are too old
-- to be asked for. If it picks twice as many as are added, about half of the replies
-- that stay are old.
local function purge(key, n)
  local picked = redis.call('HRANDFIELD', key, n, 'WITHVALUES')
  for i = 1, #picked, 2 do
    if #picked[i] == 8 and (time[1] - string.sub(picked[i + 1], 1, 10)) * 1000 > remember then
      redis.call('HDEL', key, picked[i])
    end
  end
end
