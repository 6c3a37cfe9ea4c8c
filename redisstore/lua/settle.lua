-- Keeps the answer of a claimed request, or forgets the request.
--
-- KEYS[1] request
-- ARGV[2] op of the claim   ARGV[3] answer, empty to forget
-- Returns 'done' and 1 if it is the first answer to be kept, else 0

--include base

if expired then
  return stamp .. 'late'
end
if redis.call('HGET', KEYS[1], 'o') == ARGV[2] then
  if ARGV[3] == '' then
    redis.call('DEL', KEYS[1])
  else
    return stamp .. 'done ' .. redis.call('HSET', KEYS[1], 't', ARGV[3])
  end
end
return stamp .. 'done 0'
