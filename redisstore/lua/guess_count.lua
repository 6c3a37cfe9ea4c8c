-- Counts a wrong code for its number, even if the limit is reached.
--
-- KEYS[1] log of the number's wrong codes
-- ARGV[2] op   ARGV[3] the longest window in milliseconds
-- ARGV[4] the largest number that a window allows
-- Returns 'done'

--include base
--include log

local op = ARGV[2]
local log = readLog(KEYS[1])
if not inLog(log, op) then
  if expired then
    return stamp .. 'late'
  end
  addToLog(KEYS[1], op, log, tonumber(ARGV[3]), tonumber(ARGV[4]))
end
return stamp .. 'done'
