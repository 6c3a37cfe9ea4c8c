-- Events and turns of the whole service, in sorted sets: ops by their time in
-- milliseconds. The score of the member 'bound' is negative: how many milliseconds back
-- (of events) or ahead (of turns) any replica needs them.

local score = string.format('%d', now) -- Redis takes a string more quickly than a number

-- boundOf returns the largest bound in use, which may be the given one.
local function boundOf(key, bound)
  return math.max(bound, -tonumber(redis.call('ZSCORE', key, 'bound') or 0))
end

-- nthNewest returns the time of the nth newest member, or nil.
local function nthNewest(key, n)
  local member = redis.call('ZREVRANGE', key, n - 1, n - 1, 'WITHSCORES')
  local at = tonumber(member[2] or -1)
  return at >= 0 and at or nil
end

-- pullBack makes members that are later than a time count as now, at most so many at
-- once: the clock of Redis has stepped back.
local function pullBack(key, later, most)
  for _, op in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. later, '+inf', 'LIMIT', 0, most)) do
    redis.call('ZADD', key, score, op)
  end
end

-- waitOfSet returns the milliseconds until a set has room for one more event under a
-- window, 0 if it has.
local function waitOfSet(key, max, span)
  local at = nthNewest(key, max)
  if at and at > now then
    pullBack(key, now, 1000)
  end
  return at and math.max(0, math.min(at, now) + span - now) or 0
end

-- isFull reports whether a set has no room for one more event under a window.
local function isFull(key, max, span)
  if redis.call('ZCOUNT', key, string.format('(%d', now - span), '+inf') < max then
    return false
  end
  pullBack(key, now, 1000)
  return true
end

-- trimSet removes events that are older than a span, at most 200, so that no script
-- takes long.
local function trimSet(key, span)
  pullBack(key, now, 1000)
  local old = redis.call('ZRANGEBYSCORE', key, 0, now - span, 'LIMIT', 0, 200)
  if #old > 0 then
    redis.call('ZREM', key, unpack(old))
  end
end

-- addToSet adds an op's event to a set of the given number of members.
local function addToSet(key, op, size, span)
  local known = boundOf(key, 0)
  if span > known then
    redis.call('ZADD', key, -span, 'bound', score, op)
  else
    redis.call('ZADD', key, score, op)
    span = known
  end
  redis.call('PEXPIRE', key, span)
  if size % 16 == 0 then
    trimSet(key, span)
  end
end
