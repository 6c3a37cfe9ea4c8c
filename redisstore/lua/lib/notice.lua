-- The notice of an entry.

-- remindUntil makes the notice of an entry count until a time, 0 for never.
local function remindUntil(key, noticesKey, time)
  if time <= now then
    redis.call('ZREM', noticesKey, nameOf(key))
    return
  end
  redis.call('ZADD', noticesKey, time, nameOf(key))
  local ttl = redis.call('PTTL', noticesKey)
  if ttl < time - now then
    -- For a minute longer than it must, so that most of many reservations need not.
    redis.call('PEXPIRE', noticesKey, time - now + 60000)
  end
  if ttl >= 0 and ttl < time - now then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', noticesKey, '-inf', now, 'LIMIT', 0, 100)) do
      redis.call('ZREM', noticesKey, name)
    end
  end
end
