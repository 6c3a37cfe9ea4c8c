-- KEYS[1] entry   ARGV[1] code
-- Returns -1 if the code is right, -2 if there is no entry, else the attempts left
local code = redis.call('HGET', KEYS[1], 'code')
if not code then
  return -2
end
if code == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return -1
end
local left = redis.call('HINCRBY', KEYS[1], 'left', -1)
if left <= 0 then
  redis.call('DEL', KEYS[1])
end
return left
