-- Records in an entry which message holds its code.
--
-- KEYS[1] entry   KEYS[2] notices
-- KEYS[3], KEYS[4] the same under the previous secret, if there is one
-- ARGV[2] op of its reservation
-- ARGV[3] digest of the message
-- Returns 'done'

--include base
--include entry
--include notice
--include versions

local op, message = ARGV[2], ARGV[3]
if expired then
  return stamp .. 'late'
end
for i = 1, #KEYS, 2 do
  local entry = open(KEYS[i], KEYS[i + 1])
  local known = string.sub(redis.call('HGET', entry.key, 'm') or '', 1, 8)
  for n = #entry, 1, -1 do
    -- A message does not replace a newer one.
    local place, knownPlace = placeOf(entry[n], op), placeOf(entry[n], known)
    if place > knownPlace then
      redis.call('HSET', entry.key, 'm', op .. message)
    end
    if place >= 0 or knownPlace >= 0 then
      break
    end
  end
end
return stamp .. 'done'
