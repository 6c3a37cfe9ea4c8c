-- Counts a wrong code for its number, whether or not the limit is reached.
--
-- KEYS[1] log of the number's wrong codes
-- ARGV[2] op   ARGV[3] milliseconds that the longest window spans
-- ARGV[4] the largest number that a window allows
-- Returns 'done'

--include base
--include log

local log, span, max = readLog(KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
if not inLog(log, ARGV[2]) then
  if expired then
    return stamp .. 'late'
  end
  addToLog(KEYS[1], ARGV[2], log, span, max)
end
return stamp .. 'done'
