// Package redisstore stores codes, limits, idempotency keys and delivery
// receipts in Redis, so that any number of replicas act as one. Every operation
// is one Lua script, which takes effect as a whole or not at all. Each script in
// lua/ opens with its contract and is made of the functions in lua/lib/.
//
// # Round trips
//
// On a standalone server and behind Sentinel, a create makes one round trip
// before its message is sent, and a check makes one.
//
// A cluster, and a proxy in front of one, refuses a script whose keys are in
// several slots. There a create makes one round trip for each slot: the limits of
// the number, all other limits with the send rate, and the entry. A check makes a
// second one to count a wrong code or, where unverified messages are counted, a
// right one. Prepare detects which of the two it is.
//
// While CODE_SECRET is being changed on a cluster, two overlapping creates of one
// auth_id can leave two live entries until the next create.
//
// # Keys
//
// Every key begins with the configured prefix and has a TTL. <number>,
// <address>, <client>, <request> and <message> are HMACs, 14 characters of
// base64url. <caller> and <profile> are digests of their names. <tag> and <id>
// are the first 3 and the other 11 characters of one HMAC. <op> is 11 random
// characters. The braces hold the hash tag, so that on a cluster the keys of one
// script share a slot.
//
//	c{<tag>}<id>      hash    a live entry: e its newest version (digest of the
//	                          code, reservation, digest of the number and its area,
//	                          end, attempts left, lifetime, and the reservations
//	                          that sent the code again), b the earlier versions,
//	                          which are live again if it is released, m the digest
//	                          of its message, <op> saved replies. TTL:
//	                          CODE_EXPIRATION from the create's turn to send; 2
//	                          seconds once it has ended and holds saved replies only.
//	x{<tag>}          zset    expiry notices of the entries with this tag, by the
//	                          time until which "expired" is reported. TTL: that of
//	                          the last one, CODE_EXPIRATION and EXPIRED_NOTICE, and
//	                          a minute.
//	r{<tag>}<id><op>  hash    on a cluster, the saved reply of a check with an
//	                          Idempotency-Key. TTL: 10 minutes.
//	n{<number>}       string  messages to a number, by time, for SEND_LIMITS
//	u{<number>}       string  refunds of a number, by time: messages that were
//	                          rejected after they were sent, and no longer count
//	w{<number>}       string  wrong codes for a number, by time, for GUESS_LIMITS
//	k{<address>}      string  failed API keys from an address, by time
//	i{<request>}      hash    a request with an Idempotency-Key: a the digest of its
//	                          arguments, o the op under which it runs, u the end of
//	                          its lease, t its answer, <op> the saved reply of a
//	                          check. TTL: 10 minutes.
//	m{<message>}      hash    a message and its receipts: o the reservation, r digest
//	                          of the number, x its exchange, a area, n caller; t and f
//	                          that it was delivered or failed, and w who rejected it;
//	                          and each receipt. TTL: CODE_EXPIRATION and
//	                          EXPIRED_NOTICE, or the longest of SEND_LIMITS up to 3
//	                          days, but at least an hour; 10 minutes without o, when
//	                          it holds receipts alone.
//	a{all}            zset    messages of the service, for SEND_LIMITS_TOTAL
//	l{all}<caller>    zset    messages of a caller, for CALLER_LIMITS
//	p{all}<profile>   zset    messages of a profile, for its send_limits_total
//	j{all}<client>    zset    messages of a caller for a client, for CLIENT_LIMITS
//	e{all}<where>     zset    messages whose code was not entered, for
//	                          UNVERIFIED_LIMITS; <where> is an HMAC of the exchange
//	                          (8 characters), an area code such as 1206, or all. TTL:
//	                          25 hours.
//	v{all}<where>     hash    codes that were entered, by quarter of an hour. TTL: 25
//	                          hours.
//	y{all}            list    codes that were entered and are not yet counted: the
//	                          next reservation counts them. TTL: 25 hours.
//	z{all}            zset    turns to send, for FLOWROUTE_RATE. TTL: the longest
//	                          FLOWROUTE_MAX_WAIT in use, and 2.4 seconds.
//	q{all}            zset    callers, by when each last asked for a turn. TTL: twice
//	                          FLOWROUTE_MAX_WAIT, and a second.
//
// A log or set of a limit lives for the limit's longest window after its last
// event. It keeps the longest window that any replica uses, so that a replica
// with shorter windows erases nothing that another one counts.
//
// # Retries, deadlines and time
//
// A reply can be lost after its script ran. Each operation therefore carries an
// id (op), under which the script saves its reply together with its effect. Sent
// again, it returns the saved reply and has no effect.
//
// Each operation also carries a deadline in Redis time, at which its caller gives
// up. A script that runs later does nothing, so a server that was paused does not
// run old requests.
//
// The clock of Redis can step, for example in a failover to a server whose clock
// is ahead. A time that lies further in the future than any replica can have put
// it counts as now, and an entry lives at most its lifetime longer. On a cluster
// the deadline of a call is in the time of the node that runs it.
//
// # Permissions
//
// The service needs no more of Redis than this, with the prefix smsv:
//
//	ACL SETUSER smsv on >password resetchannels ~smsv:* -@all +hello
//	  +eval +evalsha +time +get +set +del +expire +pexpire +pttl +hset +hget
//	  +hgetall +hincrby +rpush +llen +lrange +ltrim +hmget +hlen +hrandfield
//	  +hdel +zadd +zcard +zcount +zrem +zscore +zrangebyscore +zrevrange
//	  +zremrangebyscore +info
//
// On a cluster it also needs +cluster|slots +command; for a database other than 0
// +select, and for REDIS_WAIT_REPLICAS +wait.
//
// Only Inspect uses +info. If +config|get is granted, it uses that too, because
// INFO does not show whether snapshots are kept.
//
// The default user may be off, but must keep its permissions:
//
//	ACL SETUSER default off resetpass ~* &* +@all
//
// A server replays its append-only file as this user. Versions from before the end
// of 2025 (Valkey: the middle of 2026) drop the effects of scripts that the user may
// not run itself. After a restart, limits and live codes are gone and used codes
// can be valid again.
//
// # Persistence
//
// The service needs Redis 6.2 or later, or Valkey. Use append-only persistence,
// best with appendfsync always, or none at all, and the policy noeviction. A crash
// loses the last writes: all since the last snapshot, or those of a second or two with
// appendfsync everysec. Used codes are then valid again. An eviction drops limits.
package redisstore
