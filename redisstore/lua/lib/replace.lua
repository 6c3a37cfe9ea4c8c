-- How versions of an entry come and go with reservations.

local maxPredecessors = 8

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

-- push makes a version the newest of an entry, after its predecessors.
local function push(entry, predecessors, version, notice, gone)
  while #predecessors > maxPredecessors do
    gone[#gone + 1] = table.remove(predecessors, 1)
    table.remove(predecessors.notices, 1)
  end
  add(predecessors, version, 0)
  predecessors.key, predecessors.hadPredecessors = entry.key, entry.hadPredecessors
  save(predecessors)
  for _, other in ipairs(gone) do
    forget(entry, other)
  end
  if predecessors.message then
    redis.call('HSET', entry.key, 'm', predecessors.message)
  end
  remindUntil(entry.key, entry.noticesKey, notice > 0 and endOf(version) + notice or 0)
end

-- remove takes the version of an op out of an entry, with the reply of the
-- call. It returns whether there was one.
local function remove(entry, op, reply)
  local at
  for i = 1, #entry do
    at = opOf(entry[i]) == op and i or at
  end
  if not at then
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
