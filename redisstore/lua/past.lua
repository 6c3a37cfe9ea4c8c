-- Runs before the scripts that have to do with the past of entries.
--
-- KEYS[1] entry   KEYS[2] the past
--
-- The past is what outlives an entry. That of all entries with the same hash
-- tag is one string, because a key for each would take two to four times as much: the
-- time until which the last of it counts, and items. An item is the time until
-- which it counts, what the entry's key ends with (11 characters), a length (5
-- hex digits) and so much text: notes of an entry that ended a moment ago, or
-- no text, which is a notice that the entry will have expired. Times are
-- milliseconds of Redis time, 11 hex digits.

local name = string.sub(KEYS[1], -11)
local latest = 0

-- recall returns the items of other entries, the notes of this one, whether it
-- has any item, and until when its notice counts, if it has one.
local function recall()
  local items = redis.call('GET', KEYS[2])
  if not items then
    return '', ''
  end
  latest = tonumber(string.sub(items, 1, 11), 16)
  local first = 12 -- that counts yet, or stands behind one that does
  while first < #items and now >= tonumber(string.sub(items, first, first + 10), 16) do
    first = first + 27 + tonumber(string.sub(items, first + 22, first + 26), 16)
  end
  items = string.sub(items, first)
  local notes, any, noticed = '', false, nil
  local at = string.find(items, name, 1, true)
  while at do
    local after = at + 16 + tonumber(string.sub(items, at + 11, at + 15), 16)
    local till = tonumber(string.sub(items, at - 11, at - 1), 16)
    if now < till and after == at + 16 then
      noticed = till
    elseif now < till then
      notes = string.sub(items, at + 16, after - 1)
    end
    items, any = string.sub(items, 1, at - 12) .. string.sub(items, after), true
    at = string.find(items, name, 1, true)
  end
  return items, notes, any, noticed
end

-- item is one of this entry, which counts until then.
local function item(till, text)
  latest = math.max(latest, till)
  return string.format('%011x', till) .. name .. string.format('%05x', #text) .. text
end

-- keep stores the items.
local function keep(items)
  if items == '' then
    redis.call('DEL', KEYS[2])
  else
    redis.call('SET', KEYS[2], string.format('%011x', latest) .. items, 'PX', string.format('%d', math.max(1, latest - now)))
  end
end
