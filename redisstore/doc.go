// Package redisstore keeps codes, limits and receipts in Redis, shared by any
// number of replicas. Every operation is one Lua script, so it happens as a
// whole or not at all. Each script in lua/ opens with its contract and is made
// of the functions in lua/lib/.
//
// # Round trips
//
// On a standalone server, also behind Sentinel, a create makes one round trip
// before its message is sent, and a check makes one. On a cluster, and on a
// server that refuses keys of several slots in one script, as a proxy in front of
// a cluster does, a create makes one for each slot: the limits of the number, all
// other limits with the turn to send, and the entry. A check makes a second one
// to count a wrong code, and, where unverified messages are counted, a right one. Prepare finds out which of the two it is.
//
// Where CODE_SECRET is being changed on a cluster, two overlapping creates of one
// auth_id may leave two live entries until the next create.
//
// # Keys
//
// Every key begins with the configured prefix and has a time to live. <number>,
// <address>, <client>, <request> and <message> stand for HMACs, 14 characters of
// base64url, <caller> and <profile> for digests of their names, <tag> and <id>
// for 3 and 11 characters that are one together, <op> for 11 random ones. What
// stands in braces is the hash tag, so that on a cluster the keys of one script
// share a slot.
//
//	c{<tag>}<id>      hash    a live entry: e its newest version (digest of the
//	                          code, reservation, digest of the number and its area,
//	                          end, attempts left, lifetime, and the reservations
//	                          that sent the code again), b the versions before
//	                          it, which are live again if it is released, m the
//	                          digest of its message, <op> saved replies. Lives for
//	                          CODE_EXPIRATION from the turn of its create, and for
//	                          its saved replies alone 2 seconds after it has ended.
//	x{<tag>}          zset    notices of the entries with this tag, that they have
//	                          expired or will, by the time until which that is
//	                          reported. Lives as long as the last of them,
//	                          CODE_EXPIRATION and EXPIRED_NOTICE, and a minute.
//	r{<tag>}<id><op>  hash    on a cluster, the saved reply of a check with an
//	                          Idempotency-Key. Lives for 10 minutes.
//	n{<number>}       string  messages to a number, by time, for SEND_LIMITS
//	u{<number>}       string  refunded messages to a number, by time: rejected on
//	                          their way, they freed their places
//	w{<number>}       string  wrong codes for a number, by time, for GUESS_LIMITS
//	k{<address>}      string  failed API keys from an address, by time
//	i{<request>}      hash    a request with an Idempotency-Key: a digest of its
//	                          arguments, o the op under which it runs, u until
//	                          when, t its answer, <op> the saved reply of a
//	                          check. Lives for 10 minutes.
//	m{<message>}      hash    a message and its receipts: o the reservation, r digest
//	                          of the number, x its exchange, a area, n caller; t and f that it was
//	                          taken or rejected, and w by whom; and each receipt.
//	                          Lives for CODE_EXPIRATION and EXPIRED_NOTICE, or the
//	                          longest of SEND_LIMITS up to 3 days, but an hour at
//	                          least; without o, that is for receipts alone, 10
//	                          minutes.
//	a{all}            zset    messages of the service, for SEND_LIMITS_TOTAL
//	l{all}<caller>    zset    messages of a caller, for CALLER_LIMITS
//	p{all}<profile>   zset    messages of a profile, for its send_limits_total
//	j{all}<client>    zset    messages of a caller for a client, for CLIENT_LIMITS
//	e{all}<where>     zset    messages whose code was not entered, for
//	                          UNVERIFIED_LIMITS; <where> is an HMAC of the exchange,
//	                          8 characters, an area code such as 1206, or all. Lives
//	                          for 50 hours.
//	v{all}<where>     hash    codes that were entered, by quarters of an hour. Lives
//	                          for 25 hours.
//	y{all}            list    codes that were entered and have yet to be counted: the
//	                          next reservation does. Lives for 25 hours.
//	z{all}            zset    turns to send, for FLOWROUTE_RATE
//	q{all}            zset    callers, by when each last asked for a turn
//
// Logs and sets live for the longest of their windows after the last event. They
// hold the longest span that any replica uses, so that a replica with shorter
// windows erases nothing that another one counts.
//
// # Repetition, deadlines and time
//
// A reply can be lost after its script ran. Each operation therefore carries
// an id, under which the script saves its reply together with its effect; sent
// again, it gives the same reply and has no effect. Each operation also carries
// the time, by Redis's clock, when its caller gives up. From then on it does
// nothing, so that a server that was paused does not run old requests.
//
// The clock of Redis may be set, for example by a failover to a server whose
// clock is ahead. A turn, an event or an end that lies further in the future than
// any replica can have put it counts as now, and an entry lives at most its
// lifetime longer. On a cluster the deadline of a call is in the time of the node
// that runs it.
//
// # Permissions
//
// The service needs no more of Redis than this, with the prefix smsv:
//
//	ACL SETUSER smsv on >password resetchannels ~smsv:* -@all +hello
//	  +eval +evalsha +time +get +set +del +expire +pexpire +pttl +hset +hget
//	  +hgetall +hincrby +rpush +llen +lrange +ltrim +hmget +hlen +hrandfield +hdel +zadd +zcard +zcount +zrem +zscore
//	  +zrangebyscore +zrevrange +zremrangebyscore +info
//
// and on a cluster +cluster|slots +command besides; a database other than 0
// takes +select, and REDIS_WAIT_REPLICAS +wait.
//
// Only Inspect uses +info, and +config|get besides if it is there: INFO says all
// but whether snapshots are kept.
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
