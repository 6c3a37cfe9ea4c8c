-- Counts a code that was entered, whose entry is in another slot.
--
-- KEYS[1] … [3] messages to the exchange, to the area code and to all
-- KEYS[4] … codes that were entered, for each place that counts this one
-- ARGV[2] ops of the messages
-- Returns 'done'

--include base
--include unverified
--include entered

if expired then
  return stamp .. 'late'
end
verify(KEYS, opsOf(ARGV[2], 1))
return stamp .. 'done'
