-- Gives a place in the service's log of messages back.
--
-- KEYS[1] log of messages
-- ARGV[2] op
-- Returns 'done'

if not late then
  redis.call('ZREM', KEYS[1], ARGV[2])
end
return clock .. (late and 'late' or 'done')
