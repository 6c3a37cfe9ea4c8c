-- A notice reports that an entry has expired, until a certain time. The notices of all
-- entries with one hash tag are one sorted set of the ends of the entries' keys (11
-- characters) by that time: a key for each would take several times the memory.

-- nameOf returns the name of an entry's notice.
local function nameOf(key) return string.sub(key, -11) end

-- setNotice makes the notice of an entry report its expiry until a time, 0 for never.
local function setNotice(key, noticesKey, ends)
  local span = ends - now
  if span <= 0 then
    redis.call('ZREM', noticesKey, nameOf(key))
    return
  end
  redis.call('ZADD', noticesKey, string.format('%d', ends), nameOf(key))
  local ttl = redis.call('PTTL', noticesKey)
  if ttl >= span then
    return
  end
  -- A minute longer than necessary, so that few of many reservations must extend it.
  redis.call('PEXPIRE', noticesKey, span + 60000)
  if ttl >= 0 then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', noticesKey, '-inf', now, 'LIMIT', 0, 100)) do
      redis.call('ZREM', noticesKey, name)
    end
  end
end
