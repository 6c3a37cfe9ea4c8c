-- Turns to send, in a sorted set; see set.lua.

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
  redis.call('ZADD', callersKey, score, caller)
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
