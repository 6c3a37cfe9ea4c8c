-- removeFromLog removes an op's event.
local function removeFromLog(key, op)
  local log = redis.call('GET', key)
  local at = log and string.find(log, op, headSize + 1, true)
  if not at then
    return
  end
  local rest = string.sub(log, 1, at - 7) .. string.sub(log, at + 8)
  if #rest == headSize then
    redis.call('DEL', key)
  else
    redis.call('SET', key, rest, 'KEEPTTL')
  end
end
