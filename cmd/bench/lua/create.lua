-- KEYS[1] entry   ARGV[1] code   ARGV[2] attempts   ARGV[3] seconds to live
redis.call('HSET', KEYS[1], 'code', ARGV[1], 'left', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
