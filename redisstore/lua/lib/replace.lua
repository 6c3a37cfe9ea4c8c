-- How versions of an entry come and go with reservations.

local maxPredecessors = 8
local maxSenders = 20 -- ops that a version keeps of those that sent its code again

-- keep adds the versions of an entry to a list, but for those that are over with
-- nothing before them that may count again: these go.
local function keep(versions, entry, gone)
  for i = 1, #entry do
    if #versions > 0 or endOf(entry[i]) > now then
      add(versions, entry[i], i < #entry and entry.notices[i] or newestNotice(entry))
    else
      gone[#gone + 1] = entry[i]
    end
  end
end

-- move is keep for an entry under another key, whose message comes along.
local function move(versions, entry, gone)
  keep(versions, entry, gone)
  versions.message = #entry > 0 and redis.call('HGET', entry.key, 'm')
end

-- install makes versions those of an entry, with the reply of the call if it is
-- to be saved.
local function install(entry, versions, gone, reply)
  while #versions > maxPredecessors + 1 do
    gone[#gone + 1] = table.remove(versions, 1)
    table.remove(versions.notices, 1)
  end
  versions.key, versions.hadPredecessors, versions.op = entry.key, entry.hadPredecessors, entry.op
  save(versions, reply)
  for _, other in ipairs(gone) do
    forget(entry, other)
  end
  if versions.message then
    redis.call('HSET', entry.key, 'm', versions.message)
  end
  remindUntil(entry.key, entry.noticesKey, versions.notices[#versions])
end

-- mayResend reports whether the code of a version may be sent again at a time:
-- to a number that it was sent to, in a message that wants so many digits, or, if
-- it wants a fixed code, that one.
local function mayResend(version, turn, code, digits, recipient, previousRecipient)
  local attempts, lifetime = numbersOf(version)
  local owner, known = string.sub(ownerOf(version), 1, -2), string.sub(sendersOf(version), 3, 6)
  return attempts > 0 and 2 * (endOf(version) - turn) >= lifetime
    and (owner == recipient or owner == previousRecipient)
    and known == digits and (digits ~= '0000' or codeOf(version) == code)
end

-- withSender returns a version whose code an op sends again.
local function withSender(version, op)
  local senders = sendersOf(version)
  local head = string.sub(version, 1, #version - #senders)
  if #senders - 6 >= 8 * maxSenders then
    return head .. ' k' .. string.sub(senders, 3, 6) .. string.sub(senders, 15) .. op
  end
  return version .. op
end

-- withoutSender returns a version without an op that sent its code, or nothing if
-- nobody else may have sent it.
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

-- remove takes the version of an op out of an entry, with the reply of the
-- call, unless others may have sent its code too. It returns whether there was one.
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
  forget(entry, version)
  if wasNewest then
    remindUntil(entry.key, entry.noticesKey, notice)
  end
  return true
end
