-- Takes a place in the service's log of messages and a turn to send.
--
-- KEYS[1] log of messages   KEYS[2] turns
-- ARGV[2] op
-- ARGV[3] turns in any span, 0 for no schedule   ARGV[4] the span in milliseconds
-- ARGV[5] milliseconds that a turn may be off
-- ARGV[6] milliseconds that the longest window of KEYS[1] spans, 0 for no windows
-- ARGV[7] … the windows of KEYS[1]: how many in how many milliseconds
-- Returns 'taken' with the milliseconds until the turn, 'full' with the index in
-- ARGV of the window that clears last and the milliseconds until then, or 'busy'
-- with the milliseconds until a turn is near enough

local rate, span, patience = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local counted = ARGV[6] ~= '0'

local turn = rate > 0 and redis.call('ZSCORE', KEYS[2], ARGV[2])
if turn then
  return clock .. 'taken ' .. math.max(0, turn - now)
end
if late then
  return clock .. 'late'
end

local messages, window, clear = 0, nil, 0
if counted then
  messages = redis.call('ZCARD', KEYS[1])
  for i = 7, #ARGV, 2 do
    if messages >= tonumber(ARGV[i]) then
      local nth = redis.call('ZREVRANGE', KEYS[1], ARGV[i] - 1, ARGV[i] - 1, 'WITHSCORES')
      if nth[2] + ARGV[i + 1] - now > clear then
        window, clear = i, nth[2] + ARGV[i + 1] - now
      end
    end
  end
end
if window then
  if redis.call('ZSCORE', KEYS[1], ARGV[2]) then -- its own place may be the one that fills it
    return clock .. 'taken 0'
  end
  return clock .. 'full ' .. window .. ' ' .. clear
end

local wait = 0
if rate > 0 then
  -- Never more than rate turns in a span: a whole span after the one that is
  -- rate turns back, which also keeps them in order.
  local back = redis.call('ZREVRANGE', KEYS[2], rate - 1, rate - 1, 'WITHSCORES')
  turn = math.max(now, (back[2] or -span) + span)
  wait = turn - now
  if wait > patience then
    return clock .. 'busy ' .. (wait - patience)
  end
  redis.call('ZADD', KEYS[2], turn, ARGV[2])
  -- A turn is remembered for longer than anybody repeats the question for it.
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 2 * span)
  redis.call('PEXPIRE', KEYS[2], wait + 2 * span)
end
if counted then
  -- A place that the operation has already stays where it is.
  redis.call('ZADD', KEYS[1], 'NX', now, ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  if messages % 16 == 0 then -- what no window sees costs memory only, so it may stay for a while
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[6])
  end
end
return clock .. 'taken ' .. wait
