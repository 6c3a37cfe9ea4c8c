-- Runs before the scripts that look at a log of events.

-- full tells whether a log of so many events lets no further one in. The
-- windows are ARGV[first], ARGV[first + 1] (how many in how many milliseconds)
-- and so on up to ARGV[last]. Returns the index in ARGV of the window that
-- clears last and the milliseconds until then, or nil.
local function full(log, events, first, last)
  local window, wait = nil, 0
  for i = first, last, 2 do
    if events >= tonumber(ARGV[i]) then
      local nth = redis.call('ZREVRANGE', log, ARGV[i] - 1, ARGV[i] - 1, 'WITHSCORES')
      if nth[2] + ARGV[i + 1] - now > wait then
        window, wait = i, nth[2] + ARGV[i + 1] - now
      end
    end
  end
  return window, wait
end
