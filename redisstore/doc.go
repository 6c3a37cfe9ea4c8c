// Package redisstore keeps entries and limits in Redis, shared by any number
// of replicas. Every operation is one Lua script, so it happens as a whole or
// not at all; the scripts in lua/ open with their contracts.
//
// # Keys
//
// Every key begins with the configured prefix and the version of the schema,
// and has a time to live. <id>, <number>, <address>, <request> and <message>
// stand for HMACs, 22 characters of base64url, <op> for 16 random ones; what
// stands in braces is the hash tag, so that on a cluster the keys of one
// script share a slot.
//
//	1:{<id>}        hash    a live entry: c digest of the code, l attempts left,
//	                        r digest of the number, o the put that made it, m that
//	                        put and the digest of its message. Lives for CODE_EXPIRATION.
//	1:{<id>}x       string  tells an expired id from an unknown one. Lives for
//	                        CODE_EXPIRATION and EXPIRED_NOTICE.
//	1:{<id>}<op>    string  the answer of an operation, for its repetition.
//	                        Lives for 2 seconds, that of a check with an
//	                        Idempotency-Key for 10 minutes.
//	1:{<number>}s   zset    messages to a number, by time, for SEND_LIMITS
//	1:{<number>}b   zset    messages to a number that were rejected on their way and
//	                        gave their places back, by time
//	1:{<number>}g   zset    wrong codes for a number, by time, for GUESS_LIMITS
//	1:{<address>}f  zset    failed API keys from an address, by time
//	1:{<request>}i  hash    a request with an Idempotency-Key: a digest of its
//	                        arguments, o the op under which it runs, u until
//	                        when, t its answer. Lives for 10 minutes.
//	1:{<message>}m  hash    a message and its receipts: o the put, r digest of the
//	                        number, a area, n caller; t and f that it was taken or
//	                        rejected, and w by whom; and each receipt. Lives for
//	                        CODE_EXPIRATION and EXPIRED_NOTICE, or the longest of
//	                        SEND_LIMITS up to 3 days, but an hour at least; without
//	                        o, that is for receipts alone, 10 minutes.
//	1:{all}t        zset    messages of the service, for SEND_LIMITS_TOTAL
//	1:{all}p        zset    turns to send, for FLOWROUTE_RATE
//
// The logs live for the longest of their windows after the last event.
//
// # Repetition and deadlines
//
// A reply can be lost after its script ran. Each operation therefore carries
// an id, under which the script notes its answer before it has any effect;
// sent again, it gives the same answer and has none. And each carries the
// time, by Redis's clock, when its caller gives up: from then on it does
// nothing, so that a server that was stopped does not run yesterday's
// requests. On a cluster the clocks of the masters must agree to a fraction of
// a second.
//
// # Permissions
//
// The service needs no more of Redis than this, with the prefix smsv:
//
//	ACL SETUSER smsv on >password resetchannels ~smsv:* -@all +hello
//	  +eval +evalsha +time +get +set +exists +del +expire +pexpire +pttl +hset +hget
//	  +hmget +zadd +zrem +zscore +zrevrange +zremrangebyscore +zremrangebyrank
//
// and on a cluster +cluster|slots +command besides; a database other than 0
// takes +select, and REDIS_WAIT_REPLICAS +wait.
//
// Redis 6.2 or later, or Valkey. Use append-only persistence, best with
// appendfsync always, or none at all, and the noeviction policy: what a crash
// takes back of the last writes (all since the last snapshot, or a second or
// two with appendfsync everysec) makes used codes valid again, and an eviction
// drops limits.
package redisstore
