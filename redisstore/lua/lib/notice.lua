-- setNotice makes the notice of an entry report its expiry until a time, 0 for never.
local function setNotice(key, noticesKey, time)
  if time <= now then
    redis.call('ZREM', noticesKey, nameOf(key))
    return
  end
  redis.call('ZADD', noticesKey, time, nameOf(key))
  local ttl = redis.call('PTTL', noticesKey)
  if ttl < time - now then
    -- A minute longer than necessary, so that few of many reservations must extend it.
    redis.call('PEXPIRE', noticesKey, time - now + 60000)
  end
  if ttl >= 0 and ttl < time - now then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', noticesKey, '-inf', now, 'LIMIT', 0, 100)) do
      redis.call('ZREM', noticesKey, name)
    end
  end
end
