-- Returns the state of an entry. It changes nothing.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3], KEYS[4] the same under the previous secret, if there is one
-- Returns 'live' with the attempts left, the TTL in milliseconds and the digest of its
-- message or nothing; 'expired'; or 'unknown'

--include base
--include entry
--include notice
--include versions

for i = 1, #KEYS, 2 do
  local entry = open(KEYS[i], KEYS[i + 1])
  local version = entry[entry.current]
  local ttl = ttlOf(entry)
  if ttl > 0 then
    local message = redis.call('HGET', entry.key, 'm')
    if message and placeOf(version, string.sub(message, 1, 8)) >= 0 then
      message = string.sub(message, 9)
    else
      message = '' -- not recorded yet, or of another version
    end
    return stamp .. 'live ' .. string.format('%d', entry.attempts) .. ' ' .. ttl .. ' ' .. message
  end
  if (#entry == 0 or version and entry.attempts > 0) and noticeOf(entry) > now then
    return stamp .. 'expired'
  end
end
return stamp .. 'unknown'
