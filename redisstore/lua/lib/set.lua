-- Events and turns of the whole service, in sorted sets: ops by their time in
-- milliseconds. The score of the member 'bound' is negative: how many milliseconds back
-- (of events) or ahead (of turns) any replica needs them.

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
    redis.call('ZADD', key, now, op)
  end
end

-- sizeOfSet returns how many events there are, old ones too.
local function sizeOfSet(key) return math.max(0, redis.call('ZCARD', key) - 1) end

-- waitOfSet returns the milliseconds until a set has room for one more event under a
-- window, 0 if it has.
local function waitOfSet(key, max, span)
  local at = nthNewest(key, max)
  if at and at > now then
    pullBack(key, now, 1000)
  end
  return at and math.max(0, math.min(at, now) + span - now) or 0
end

-- trimSet removes events that are older than a span, at most 200, so that no script
-- takes long.
local function trimSet(key, span)
  if nthNewest(key, 1) > now then
    pullBack(key, now, 1000)
  end
  local old = redis.call('ZRANGEBYSCORE', key, 0, now - span, 'LIMIT', 0, 200)
  if #old > 0 then
    redis.call('ZREM', key, unpack(old))
  end
end

-- addToSet adds an op's event to a set of the given size.
local function addToSet(key, op, size, span)
  local known = boundOf(key, 0)
  if span > known then
    redis.call('ZADD', key, -span, 'bound', now, op)
  else
    redis.call('ZADD', key, now, op)
    span = known
  end
  redis.call('PEXPIRE', key, span)
  if size % 16 == 0 then
    trimSet(key, span)
  end
end

-- addUnverified adds a message whose code is not entered yet to a set of the given size.
-- Such a set has no bound, because no window is longer than a day. It sets the TTL at
-- every 16th event only: a set that reaches a limit of 16 or more has had one of these
-- within that day.
local function addUnverified(key, op, size, max)
  redis.call('ZADD', key, now, op)
  if size % 16 == 0 or max < 16 then
    redis.call('PEXPIRE', key, 180000000)
  end
  if size % 16 == 0 and size > 0 then
    trimSet(key, 86400000)
  end
end

-- nextTurn returns the time of the next turn, so that no span has more than rate turns.
local function nextTurn(key, rate, span, bound)
  local newest = nthNewest(key, 1)
  if newest and newest - now > boundOf(key, bound) then
    pullBack(key, now, 1000)
  end
  -- A whole span after the turn that is rate turns back; this also keeps the order.
  return math.max(now, (nthNewest(key, rate) or -span) + span)
end

-- waitForShare records that a caller asks for a turn. It returns the milliseconds until
-- the caller holds less than its share of the turns ahead: an equal part for each
-- caller that asked within the window and for one newcomer. Any caller may have a
-- turn that is due now.
local function waitForShare(turnsKey, callersKey, caller, turn, ahead, window)
  pullBack(callersKey, now, 100)
  redis.call('ZADD', callersKey, now, caller)
  redis.call('PEXPIRE', callersKey, 2 * window + 1000)
  if turn <= now then
    return 0
  end
  local callers = redis.call('ZCOUNT', callersKey, '(' .. now - window, '+inf')
  local held, first = 0, nil
  local turns = redis.call('ZRANGEBYSCORE', turnsKey, '(' .. now, '+inf', 'WITHSCORES')
  for i = 1, #turns, 2 do
    if string.sub(turns[i], 9) == caller then
      held, first = held + 1, first or turns[i + 1]
    end
  end
  return held < math.max(1, math.floor(ahead / (callers + 1))) and 0 or first - now
end

-- addTurn stores a turn, for longer than any call is retried.
local function addTurn(key, op, turn, span, bound)
  bound = boundOf(key, bound)
  redis.call('ZADD', key, -bound, 'bound', turn, op)
  redis.call('ZREMRANGEBYSCORE', key, 0, now - 2 * span)
  redis.call('PEXPIRE', key, bound + 2 * span)
end
