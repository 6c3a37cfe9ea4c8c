-- Runs before every script of this folder.
--
-- ARGV[1] of each is its deadline in milliseconds of Redis time: from then on
-- the caller has given up and the script must have no effect. Every script
-- returns one string: the seconds and microseconds of Redis time and an
-- answer, all with blanks between. The answer "late" means that it had none.

-- Times are written as they are; what may have more than 14 digits, with %d: in
-- Lua's own way it would be rounded.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local late = now >= tonumber(ARGV[1])
local clock = time[1] .. ' ' .. time[2] .. ' '
