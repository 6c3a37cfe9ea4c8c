-- Entries with several versions. Nearly all entries have one.

-- numbersOf returns the attempts left, the lifetime in milliseconds, the milliseconds
-- that the previous version had left, and of a version that waits its start and wait,
-- else 0.
local function numbersOf(version)
  local attempts, lifetime, replaced, start, wait = string.match(version, '(%d+) (%d+) (%d+) ?(%d*) ?(%d*)', 41)
  return tonumber(attempts), lifetime * 1000, tonumber(replaced), tonumber(start) or 0, tonumber(wait) or 0
end

-- sendersOf returns the end of a version whose code may be sent again (blank, mark,
-- digits, ops), or ''.
local function sendersOf(version)
  local ending = endingOf(version)
  return string.sub(ending, 2, 2) == 'u' and string.sub(ending, 14) or ending
end

-- pack returns a version. numbers are its attempts and its lifetime in seconds.
local function pack(head, ends, numbers, replaced, start, wait, ending)
  local version = head .. packTime(ends) .. '-' .. numbers .. string.format(' %d', replaced)
  if start > now then
    version = version .. ' ' .. start .. ' ' .. wait
  end
  return version .. ending
end

-- withAttempts returns a version whose start has come, with other attempts left.
local function withAttempts(version, attempts)
  local _, rest = string.match(version, '(%d+)( %d+ %d+)', 41)
  return string.sub(version, 1, 39) .. '-' .. string.format('%d', attempts) .. rest .. endingOf(version)
end

-- trusted returns a version and its start, both corrected if they are too far in the
-- future: the clock of Redis may have stepped back since they were written.
local function trusted(version)
  local attempts, lifetime, replaced, start, wait = numbersOf(version)
  if start - now > wait then
    start = now
  end
  local ends = math.min(endOf(version), math.max(now, start) + lifetime)
  return pack(string.sub(version, 1, 33), ends, string.format('%d %d', attempts, lifetime / 1000), replaced, start, wait, endingOf(version)), start
end

-- placeOf returns the position of an op among those that sent a version's code, from
-- 0, or -1 if it is not one of them.
local function placeOf(version, op)
  local senders = sendersOf(version)
  if opOf(version) == op then
    return string.sub(senders, 2, 2) == 'o' and -1 or 0
  end
  for at = 7, #senders, 8 do
    if string.sub(senders, at, at + 7) == op then
      return (at + 1) / 8
    end
  end
  return -1
end

-- add adds a version and the end of its notice to a list.
local function add(versions, version, notice)
  versions[#versions + 1] = version
  versions.notices[#versions] = notice
end

-- packAll packs the versions of a list, up to the last one given.
local function packAll(versions, last)
  local packed = {}
  for i = 1, last do
    packed[i] = string.format('%03d', #versions[i]) .. packTime(versions.notices[i]) .. versions[i]
  end
  return table.concat(packed)
end

-- unpackAll adds packed versions to a list.
local function unpackAll(versions, packed)
  local at = 1
  while at < #packed do
    local length = tonumber(string.sub(packed, at, at + 2))
    add(versions, string.sub(packed, at + 9, at + 8 + length), unpackTime(packed, at + 3))
    at = at + 9 + length
  end
end

-- open reads an entry: a list of its versions, the oldest first, and in current the
-- index of the current one, or 0. savedReply is the reply to an earlier call with op.
local function open(key, noticesKey, op)
  local entry = { key = key, noticesKey = noticesKey, op = op, current = 0, notices = {} }
  local fields = redis.call('HMGET', key, 'e', op or 'e')
  local newest = fields[1]
  if not newest then
    return entry
  end
  entry.savedReply = op and fields[2] and string.sub(fields[2], 11)
  entry.stored = newest
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

-- newestNotice returns the time until which the expiry of the newest version is
-- reported, or 0.
local function newestNotice(entry)
  return tonumber(redis.call('ZSCORE', entry.noticesKey, nameOf(entry.key)) or 0)
end

-- noticeOf is the same for the current version.
local function noticeOf(entry)
  return entry.current > 0 and entry.current < #entry and entry.notices[entry.current] or newestNotice(entry)
end

-- put writes field e and saves the reply of the call, if there is one. It is the first
-- write of most scripts, which a server out of memory refuses.
local function put(entry, newest, reply)
  if not reply then
    redis.call('HSET', entry.key, 'e', newest)
    return
  end
  redis.call('HSET', entry.key, 'e', newest, entry.op, time[1] .. reply)
  if redis.call('HLEN', entry.key) > 32 then
    purge(entry.key, 4)
  end
end

-- write writes the versions of an entry, which has at least one.
local function write(entry, reply)
  local newest, flag = entry[#entry], '-'
  local _, _, _, start = numbersOf(newest)
  if start > now then
    flag = #entry > 1 and 'b' or 'w'
  elseif #entry > 1 then
    flag = 'p'
  end
  put(entry, withFlag(newest, flag), reply)
  if #entry > 1 then
    redis.call('HSET', entry.key, 'b', packAll(entry, #entry - 1))
  elseif entry.hadPredecessors then
    redis.call('HDEL', entry.key, 'b')
  end
end

-- save writes the versions of an entry and sets its TTL to the longest of theirs.
local function save(entry, reply)
  write(entry, reply)
  local ttl = remember
  for i = 1, #entry do
    ttl = math.max(ttl, endOf(entry[i]) - now)
  end
  redis.call('PEXPIRE', entry.key, ttl)
end

-- finish ends an entry and keeps its hash for the saved replies.
local function finish(entry, reply)
  put(entry, withFlag(entry.stored or '', 'x'), reply)
  if entry.hadPredecessors then
    redis.call('HDEL', entry.key, 'b')
  end
  redis.call('PEXPIRE', entry.key, remember)
end

-- saveReserveReply saves the reply of the reservation of a version that is removed: the
-- reservation may be sent again.
local function saveReserveReply(entry, version)
  local _, _, replaced, start = numbersOf(version)
  redis.call('HSET', entry.key, opOf(version), time[1] .. start .. ' ' .. replaced)
end

-- drop ends the current version and its predecessors. Versions that wait stay, and so
-- does the notice, which is theirs.
local function drop(entry, reply)
  local newer = #entry - entry.current
  if newer == 0 then
    finish(entry, reply)
    redis.call('ZREM', entry.noticesKey, nameOf(entry.key))
  end
  for i = 1, newer == 0 and entry.current - 1 or entry.current do
    saveReserveReply(entry, entry[i])
  end
  if newer > 0 then
    for _ = 1, entry.current do
      table.remove(entry, 1)
      table.remove(entry.notices, 1)
    end
    save(entry, reply)
  end
end
