-- Saves the answer of a claimed request, or forgets the request.
--
-- KEYS[1] request
-- ARGV[2] op of the claim   ARGV[3] answer, empty to forget the request
-- Returns 'done' and 1 if this is the first answer to be saved, else 0

--include base

local op, answer = ARGV[2], ARGV[3]
if expired then
  return stamp .. 'late'
end
if redis.call('HGET', KEYS[1], 'o') == op then
  if answer == '' then
    redis.call('DEL', KEYS[1])
  else
    return stamp .. 'done ' .. redis.call('HSET', KEYS[1], 't', answer)
  end
end
return stamp .. 'done 0'
