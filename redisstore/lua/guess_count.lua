-- Counts a wrong code for its number, even if the limit is reached.
--
-- KEYS[1] log of the number's wrong codes
-- ARGV[2] op   ARGV[3] head of the log
-- Returns 'done'

--include base
--include log

local op = ARGV[2]
local log = readLog(KEYS[1])
if not inLog(log, op) then
  if expired then
    return stamp .. 'late'
  end
  addToLog(KEYS[1], op, log, ARGV[3])
end
return stamp .. 'done'
