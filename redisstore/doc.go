// Package redisstore keeps entries and limits in Redis, shared by any number
// of replicas. Every operation is one Lua script, so it happens as a whole or
// not at all; the scripts in lua/ open with their contracts.
//
// # Keys
//
// Every key begins with the configured prefix and has a time to live. <number>,
// <address>, <request> and <message> stand for HMACs, 14 characters of
// base64url, <tag> and <id> for 3 and 11 that are one together, <op> for 11
// random ones; what stands in braces is the hash tag, so that on a cluster the
// keys of one script share a slot.
//
//	e{<tag>}<id>      hash    a live entry: e digest of the code, the put that made
//	                          it, digest of the number and its area, its end,
//	                          attempts left, and what it replaced; m the put and
//	                          the digest of its message; <op> notes. Lives for
//	                          CODE_EXPIRATION, and for its notes alone 2 seconds
//	                          after it has ended.
//	x{<tag>}          zset    notices of the entries with this tag, that they have
//	                          expired or will, by the time until which that is told.
//	                          Lives as long as the last of them, CODE_EXPIRATION and
//	                          EXPIRED_NOTICE, and a minute.
//	o{<tag>}<id><op>  string  the answer of a check with an Idempotency-Key. Lives for
//	                          10 minutes.
//	s{<number>}       string  messages to a number, by time, for SEND_LIMITS
//	b{<number>}       string  messages to a number that were rejected on their way and
//	                          gave their places back, by time
//	g{<number>}       string  wrong codes for a number, by time, for GUESS_LIMITS
//	f{<address>}      string  failed API keys from an address, by time
//	i{<request>}      hash    a request with an Idempotency-Key: a digest of its
//	                          arguments, o the op under which it runs, u until
//	                          when, t its answer. Lives for 10 minutes.
//	m{<message>}      hash    a message and its receipts: o the put, r digest of the
//	                          number, a area, n caller; t and f that it was taken or
//	                          rejected, and w by whom; and each receipt. Lives for
//	                          CODE_EXPIRATION and EXPIRED_NOTICE, or the longest of
//	                          SEND_LIMITS up to 3 days, but an hour at least; without
//	                          o, that is for receipts alone, 10 minutes.
//	t{all}            zset    messages of the service, for SEND_LIMITS_TOTAL
//	p{all}            zset    turns to send, for FLOWROUTE_RATE
//
// The logs live for the longest of their windows after the last event.
//
// # Repetition and deadlines
//
// A reply can be lost after its script ran. Each operation therefore carries
// an id, under which the script notes its answer together with its effect;
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
//	  +eval +evalsha +time +get +mget +set +del +expire +pexpire +pttl +hset
//	  +hget +hmget +hgetall +hlen +hdel +zadd +zcard +zcount +zrem +zscore
//	  +zrevrange +zremrangebyscore
//
// and on a cluster +cluster|slots +command besides; a database other than 0
// takes +select, and REDIS_WAIT_REPLICAS +wait.
//
// The default user may be off, but keeps its permissions:
//
//	ACL SETUSER default off resetpass ~* &* +@all
//
// A server replays its append-only file as this user, and until the end of
// 2025 (Valkey: the middle of 2026) it dropped the effects of scripts that the
// user may not have itself: after a restart limits and live codes were gone,
// and used ones could be valid again.
//
// Redis 6.2 or later, or Valkey. Use append-only persistence, best with
// appendfsync always, or none at all, and the noeviction policy: what a crash
// takes back of the last writes (all since the last snapshot, or a second or
// two with appendfsync everysec) makes used codes valid again, and an eviction
// drops limits.
package redisstore
