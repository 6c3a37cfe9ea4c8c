-- Returns what counts under limits on messages whose code was not entered. It counts
-- the codes that were entered first, and changes nothing else.
--
-- KEYS    for each limit its messages and its codes that were entered
-- ARGV[2] prefix of every key if codes that were entered are to be counted, else empty
-- ARGV[3] … for each limit the number of its windows, and for each window how many
--         messages it allows in how many milliseconds, and besides what percentage of
--         the codes that were entered
-- Returns 'unverified' and for each window how many messages are in it, how many it
-- allows for codes that were entered, and the milliseconds until it has room for one
-- more, 0 if it has

--include base
--include set
--include unverified
--include entered

local prefix = ARGV[2]
dropEntered(prefix, prefix ~= '' and countEntered(prefix) or 0)
local answer, at = 'unverified', 3
for k = 1, #KEYS, 2 do
  local verified = verifiedIn(KEYS[k + 1])
  local first, last = at + 1, at + 3 * ARGV[at]
  for i = first, last, 3 do
    local span, share = tonumber(ARGV[i + 1]), math.floor(ARGV[i + 2] * verified / 100)
    local oldest = nthNewest(KEYS[k], ARGV[i] + share) -- must leave the window before there is room
    local wait = oldest and math.max(0, math.min(oldest, now) + span - now) or 0
    answer = answer .. ' ' .. redis.call('ZCOUNT', KEYS[k], math.max(0, now - span + 1), '+inf') .. ' ' .. share .. ' ' .. wait
  end
  at = last + 1
end
return stamp .. answer
