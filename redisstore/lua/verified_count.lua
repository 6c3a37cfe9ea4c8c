-- Counts a code that was entered, in another slot than its entry. It counts nothing
-- if none of the code's messages stands any more: then the call is a repetition, or
-- the code was entered after the span of its messages.
--
-- KEYS[1] … [3] messages to the exchange, to the area code and to all
-- KEYS[4] … codes entered in each part that they are counted for
-- ARGV[2] ops of the messages
-- Returns 'done'

--include base
--include unverified

if expired then
  return stamp .. 'late'
end
if removeStanding(KEYS, opsOf(ARGV[2], 1)) > 0 then
  for i = 4, #KEYS do
    addVerified(KEYS[i])
  end
end
return stamp .. 'done'
