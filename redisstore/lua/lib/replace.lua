-- Adding and removing versions of an entry.

local maxPredecessors = 8
local maxSenders = 20 -- ops that a version keeps of reservations that sent its code again

-- keep adds the versions of an entry to a list. The first versions that have expired
-- go to the list gone instead: there is nothing before them to become current again.
local function keep(versions, entry, gone)
  for i = 1, #entry do
    if #versions > 0 or endOf(entry[i]) > now then
      add(versions, entry[i], i < #entry and entry.notices[i] or newestNotice(entry))
    else
      gone[#gone + 1] = entry[i]
    end
  end
end

-- move is keep for an entry under another key, and takes its message along.
local function move(versions, entry, gone)
  keep(versions, entry, gone)
  versions.message = #entry > 0 and redis.call('HGET', entry.key, 'm')
end

-- install replaces the versions of an entry, and saves the reply of the call if there
-- is one.
local function install(entry, versions, gone, reply)
  while #versions > maxPredecessors + 1 do
    gone[#gone + 1] = table.remove(versions, 1)
    table.remove(versions.notices, 1)
  end
  versions.key, versions.hadPredecessors, versions.op = entry.key, entry.hadPredecessors, entry.op
  save(versions, reply)
  for _, other in ipairs(gone) do
    saveReserveReply(entry, other)
  end
  if versions.message then
    redis.call('HSET', entry.key, 'm', versions.message)
  end
  setNotice(entry.key, entry.noticesKey, versions.notices[#versions])
end

-- mayResend reports whether the code of a version may be sent again in a turn: to the
-- number that it was sent to, if at least half of its lifetime and an attempt are left
-- and the message has as many digits, or the same fixed code.
local function mayResend(version, turn, code, digits, recipient, previousRecipient)
  local attempts, lifetime = numbersOf(version)
  local owner, known = string.sub(ownerOf(version), 1, -2), string.sub(sendersOf(version), 3, 6)
  return attempts > 0 and 2 * (endOf(version) - turn) >= lifetime
    and (owner == recipient or owner == previousRecipient)
    and known == digits and (digits ~= '0000' or codeOf(version) == code)
end

-- withSender returns a version with an op that sends its code again.
local function withSender(version, op)
  local senders = sendersOf(version)
  local head = string.sub(version, 1, #version - #senders)
  if #senders - 6 >= 8 * maxSenders then
    return head .. ' k' .. string.sub(senders, 3, 6) .. string.sub(senders, 15) .. op
  end
  return version .. op
end

-- withoutSender returns a version without an op that sent its code, or nil if no other
-- op may have sent it.
local function withoutSender(version, op)
  local senders = sendersOf(version)
  local mark, ops = string.sub(senders, 2, 2), string.sub(senders, 7)
  local place = placeOf(version, op)
  if place == 0 then
    mark = mark == 's' and 'o' or mark
  else
    ops = string.sub(ops, 1, 8 * (place - 1)) .. string.sub(ops, 8 * place + 1)
  end
  if mark == '' or mark == 'o' and ops == '' then
    return nil
  end
  return string.sub(version, 1, #version - #senders) .. ' ' .. mark .. string.sub(senders, 3, 6) .. ops
end

-- remove removes the version of an op from an entry and saves the reply of the call.
-- If other ops may have sent its code too, the version stays without this op. It
-- returns whether a version was removed.
local function remove(entry, op, reply)
  local at
  for i = 1, #entry do
    at = placeOf(entry[i], op) >= 0 and i or at
  end
  if not at then
    return false
  end
  local rest = withoutSender(entry[at], op)
  if rest then
    entry[at] = rest
    save(entry)
    return false
  end
  local wasNewest = at == #entry
  local version = table.remove(entry, at)
  local notice = wasNewest and entry.notices[#entry] or 0
  table.remove(entry.notices, at)
  local last = now -- end of the version that lives longest
  for i = 1, #entry do
    last = math.max(last, endOf(entry[i]))
  end
  if last > now then
    save(entry, reply)
  else
    finish(entry, reply)
  end
  saveReserveReply(entry, version)
  if wasNewest then
    setNotice(entry.key, entry.noticesKey, notice)
  end
  return true
end
