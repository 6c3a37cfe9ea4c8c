-- eventsIn returns how many events of a log are in a window of so many milliseconds.
local function eventsIn(log, span)
  local n = 0
  for at = headSize + 1, #log, eventSize do
    if unpackTime(log, at) + span > now then
      n = n + 1
    end
  end
  return n
end
