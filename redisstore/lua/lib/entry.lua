-- The entry of an auth_id.
--
-- It is a hash. Field e is the newest version, packed: digest of the code (10
-- bytes), op of the reservation (8), recipient (14) and its area (1), end (6), a
-- flag (1), and with blanks between them the attempts left, the lifetime in
-- seconds and the milliseconds that the version before had left. The flag is 'p'
-- if there are predecessors, 'w' if the version waits for its turn, when its start
-- and the milliseconds until then follow, 'b' for both, and '-' for neither, as
-- nearly always. It is 'x' if the version has ended and the hash is kept for its
-- saved replies. An exclamation mark at the end says that some of these have keys
-- of their own. Field b holds the predecessors, the oldest first: each as its
-- length (3 digits), the end of its notice (6 bytes) and the version. Field m is the
-- op of a reservation and the digest of its message. What a check needs as a rule
-- is in one field, because to read several takes longer.
--
-- Of the versions the newest whose start has come is the one that counts. The
-- versions before it count again if those after it are released.
--
-- All other fields are saved replies, by the op of their call (8 bytes): the
-- seconds of Redis time (10 digits) and the reply. The same call, sent again
-- because its reply was lost, has no second effect. Of an entry that is called very
-- often, later replies are saved in keys of their own, so that its hash stays small. The reply of a reservation needs no field:
-- its version says what it was.
--
-- A notice says that an entry has expired or will have. The notices of all
-- entries with one hash tag are one sorted set, because a key for each would take
-- several times as much: the end of the entry's key (11 characters), by the time
-- until which the notice counts.

local maxReplies = 500 -- fields of a hash from which on replies have keys of their own

local function codeOf(version) return string.sub(version, 1, 10) end
local function opOf(version) return string.sub(version, 11, 18) end
local function recipientOf(version) return string.sub(version, 19, 32) end
local function ownerOf(version) return string.sub(version, 19, 33) end -- recipient and area
local function endOf(version) return unpackTime(version, 34) end
local function flagOf(version) return string.sub(version, 40, 40) end

-- numbersOf returns the attempts left, the lifetime in milliseconds, what the
-- version before had left, and of one that waits also its start and its wait.
local function numbersOf(version)
  local attempts, lifetime, replaced, start, wait = string.match(version, '(%d+) (%d+) (%d+) ?(%d*) ?(%d*)', 41)
  return tonumber(attempts), lifetime * 1000, tonumber(replaced), tonumber(start) or 0, tonumber(wait) or 0
end

-- pack returns a version.
local function pack(head, ends, attempts, lifetime, replaced, start, wait)
  local version = head .. packTime(ends) .. '-' .. string.format('%d %d %d', attempts, lifetime / 1000, replaced)
  if start > now then
    version = version .. ' ' .. start .. ' ' .. wait
  end
  return version
end

-- withAttempts returns a version that starts by now with other attempts.
local function withAttempts(version, attempts)
  local _, rest = string.match(version, '(%d+)( %d+ %d+)', 41)
  return string.sub(version, 1, 39) .. '-' .. string.format('%d', attempts) .. rest
end

-- trusted returns a version whose times are possible, and its start: the clock
-- of Redis may have stepped back since they were written.
local function trusted(version)
  local attempts, lifetime, replaced, start, wait = numbersOf(version)
  if start - now > wait then
    start = now
  end
  local ends = math.min(endOf(version), math.max(now, start) + lifetime)
  return pack(string.sub(version, 1, 33), ends, attempts, lifetime, replaced, start, wait), start
end

-- add adds a version to a list of them, with the end of its notice.
local function add(versions, version, notice)
  versions[#versions + 1] = version
  versions.notices[#versions] = notice
end

-- packAll returns the versions of a list up to a place as one string.
local function packAll(versions, last)
  local packed = {}
  for i = 1, last do
    packed[i] = string.format('%03d', #versions[i]) .. packTime(versions.notices[i]) .. versions[i]
  end
  return table.concat(packed)
end

-- unpackAll adds the versions that are packed in a string to a list.
local function unpackAll(versions, packed)
  local at = 1
  while at < #packed do
    local length = tonumber(string.sub(packed, at, at + 2))
    add(versions, string.sub(packed, at + 9, at + 8 + length), unpackTime(packed, at + 3))
    at = at + 9 + length
  end
end

-- open reads an entry, for the call of an op: a list of its versions, the
-- oldest first, of which current is the one that counts, 0 for none. savedReply is
-- the reply that the call had before.
local function open(key, noticesKey, replyKey, op)
  local entry = { key = key, noticesKey = noticesKey, replyKey = replyKey, op = op, current = 0, notices = {} }
  local newest
  if op then
    local fields = redis.call('HMGET', key, 'e', op)
    newest = fields[1]
    entry.savedReply = fields[2] and string.sub(fields[2], 11)
  else
    newest = redis.call('HGET', key, 'e')
  end
  if not newest then
    return entry
  end
  entry.stored = newest
  if string.byte(newest, -1) == 33 then -- '!'
    entry.hot = '!'
    entry.savedReply = entry.savedReply or replyKey and redis.call('GET', replyKey)
  end
  local flag = flagOf(newest)
  if flag == 'x' or flag == '' then
    return entry
  end
  local attempts, lifetime = string.match(newest, '(%d+) (%d+)', 41)
  local ttl = endOf(newest) - now
  if flag == '-' and ttl <= lifetime * 1000 then
    entry[1], entry.current = newest, 1
    entry.attempts, entry.ttl = tonumber(attempts), ttl
    return entry
  end
  if flag == 'p' or flag == 'b' then
    unpackAll(entry, redis.call('HGET', key, 'b') or '')
    entry.hadPredecessors = true
  end
  entry[#entry + 1] = newest
  for i = 1, #entry do
    local start
    entry[i], start = trusted(entry[i])
    if start <= now then
      entry.current = i
    end
  end
  local current = entry[entry.current]
  if current then
    entry.attempts, entry.ttl = numbersOf(current), endOf(current) - now
  end
  return entry
end

-- ttlOf returns the milliseconds that an entry has left, 0 if none of its
-- versions is live.
local function ttlOf(entry)
  if entry.current == 0 or entry.attempts == 0 then
    return 0
  end
  return math.max(0, entry.ttl)
end

-- nameOf returns the name of an entry's notice.
local function nameOf(entry) return string.sub(entry.key, -11) end

-- newestNotice returns the time until which the expiry of the newest version is
-- to be reported, or 0.
local function newestNotice(entry)
  return tonumber(redis.call('ZSCORE', entry.noticesKey, nameOf(entry)) or 0)
end

-- noticeOf is the same for the version that counts.
local function noticeOf(entry)
  return entry.current > 0 and entry.current < #entry and entry.notices[entry.current] or newestNotice(entry)
end

-- hasRoom reports whether one more reply can be a field of the hash.
local function hasRoom(entry)
  return not entry.stored or redis.call('HLEN', entry.key) < maxReplies
end

-- put writes field e and, if there is one, saves the reply of the call. For most
-- calls it is the first write, which a server out of memory refuses.
local function put(entry, newest, reply)
  if reply and hasRoom(entry) then
    redis.call('HSET', entry.key, 'e', newest .. (entry.hot or ''), entry.op, time[1] .. reply)
    return
  end
  if reply then
    entry.hot = '!'
    redis.call('SET', entry.replyKey, reply, 'PX', remember)
  end
  redis.call('HSET', entry.key, 'e', newest .. (entry.hot or ''))
end

-- write writes the versions of an entry, of which there is at least one.
local function write(entry, reply)
  local newest, flag = entry[#entry], '-'
  local _, _, _, start = numbersOf(newest)
  if start > now then
    flag = #entry > 1 and 'b' or 'w'
  elseif #entry > 1 then
    flag = 'p'
  end
  put(entry, string.sub(newest, 1, 39) .. flag .. string.sub(newest, 41), reply)
  if #entry > 1 then
    redis.call('HSET', entry.key, 'b', packAll(entry, #entry - 1))
  elseif entry.hadPredecessors then
    redis.call('HDEL', entry.key, 'b')
  end
end

-- save writes an entry that has other versions than before.
local function save(entry, reply)
  write(entry, reply)
  local ttl = remember
  for i = 1, #entry do
    ttl = math.max(ttl, endOf(entry[i]) - now)
  end
  redis.call('PEXPIRE', entry.key, ttl)
end

-- finish ends an entry, and keeps its hash for the saved replies.
local function finish(entry, reply)
  local last = entry.stored or ''
  if entry.hot then
    last = string.sub(last, 1, -2)
  end
  put(entry, string.sub(last, 1, 39) .. 'x' .. string.sub(last, 41), reply)
  if entry.hadPredecessors then
    redis.call('HDEL', entry.key, 'b')
  end
  redis.call('PEXPIRE', entry.key, remember)
end

-- forget saves the reply of the reservation of a version that goes: it may be
-- repeated.
local function forget(entry, version)
  local _, _, replaced, start = numbersOf(version)
  redis.call('HSET', entry.key, opOf(version), time[1] .. start .. ' ' .. replaced)
end

-- drop ends the version that counts and those before it. Versions that wait
-- stay, and so does the notice, which is theirs.
local function drop(entry, reply)
  local newer = #entry - entry.current
  if newer == 0 then
    finish(entry, reply)
    redis.call('ZREM', entry.noticesKey, nameOf(entry))
  end
  for i = 1, newer == 0 and entry.current - 1 or entry.current do
    forget(entry, entry[i])
  end
  if newer > 0 then
    for _ = 1, entry.current do
      table.remove(entry, 1)
      table.remove(entry.notices, 1)
    end
    save(entry, reply)
  end
end
