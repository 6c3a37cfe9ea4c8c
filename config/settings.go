package config

import (
	"slices"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// setting is one row of the table: all there is to know about one setting.
type setting struct {
	key      string // as the environment has it
	def      string // default; empty is none
	debug    string // default in debug mode, where it is another one
	required bool   // unless in debug mode
	doc      string // one line of Markdown; what the field's rule says is added to it
	field
}

// isSecret tells the settings that have no flag and also read NAME_FILE.
func (s setting) isSecret() bool { return s.kind == secret }

const (
	maxExact      = 1<<53 - 1 // the largest integer that a script inside Redis counts exactly
	maxExpiration = 9_000_000_000
	maxNotice     = 24 * 60 * 60

	keyDebugMode        = "DEBUG_MODE"
	keyBaseURL          = "FLOWROUTE_BASE_URL"
	keyTimeout          = "FLOWROUTE_TIMEOUT"
	keyMaxWait          = "FLOWROUTE_MAX_WAIT"
	keyShutdownTimeout  = "SHUTDOWN_TIMEOUT"
	keyAdminAddr        = "ADMIN_ADDR"
	keyRedisURL         = "REDIS_URL"
	keyRedisMode        = "REDIS_MODE"
	keyRedisUsername    = "REDIS_USERNAME"
	keyRedisPassword    = "REDIS_PASSWORD"
	keyRedisCA          = "REDIS_TLS_CA"
	keyRedisCert        = "REDIS_TLS_CERT"
	keyRedisKey         = "REDIS_TLS_KEY"
	keyAccessKey        = "FLOWROUTE_ACCESS_KEY"
	keySecretKey        = "FLOWROUTE_SECRET_KEY"
	keyCodeSecret       = "CODE_SECRET"
	keyAPIKeys          = "API_KEYS"
	keyCallerLimits     = "CALLER_LIMITS"
	keyPublicURL        = "PUBLIC_URL"
	keyWebhookToken     = "WEBHOOK_TOKEN"
	keyPreviousSecret   = "CODE_SECRET_PREVIOUS"
	keyTestRecipients   = "TEST_RECIPIENTS"
	keyTestsUntil       = "TEST_RECIPIENTS_UNTIL"
	keyCodeLength       = "CODE_LENGTH"
	keyProfiles         = "PROFILES"
	defaultMessage      = "{code}\nWelcome to {org}! Use this one-time code to complete your signup."
	defaultOrganization = "Your Organization Name"
)

// settings is the table. To add a setting, add its field to [Config] and its
// row to one of the three parts.
func (c *Config) settings() []setting {
	return slices.Concat(c.messageSettings(), c.serviceSettings(), c.useSettings())
}

// messageSettings are about codes and the messages that carry them.
func (c *Config) messageSettings() []setting {
	return []setting{
		{key: keyAccessKey, required: true, field: secretField(&c.FlowrouteAccessKey, nil),
			doc: "Flowroute API access key"},
		{key: keySecretKey, required: true, field: secretField(&c.FlowrouteSecretKey, nil),
			doc: "Flowroute API secret key"},
		{key: "FLOWROUTE_NUMBER", required: true, field: numberField(&c.FlowrouteNumber),
			doc: "number that the messages come from"},
		{key: keyBaseURL, def: "https://api.flowroute.com", field: flowrouteURLField(&c.FlowrouteBaseURL),
			doc: "where the Flowroute API is, without its version; `http://` only towards loopback or with `FLOWROUTE_INSECURE`"},
		{key: "FLOWROUTE_INSECURE", def: "false", field: boolField(&c.FlowrouteInsecure),
			doc: "allows a `FLOWROUTE_BASE_URL` with `http://` that is not loopback: the credentials travel readable"},
		{key: keyTimeout, def: "10s", field: durationField(&c.FlowrouteTimeout, 100*time.Millisecond, 5*time.Minute),
			doc: "longest time for one message, from connecting to the answer"},
		{key: "FLOWROUTE_RATE", def: "5", debug: "0", field: intField(&c.FlowrouteRate, 0, 10_000),
			doc: "messages per second that the account allows, kept by all replicas together and shared fairly among the names in `API_KEYS`; `0` is no limit"},
		{key: keyMaxWait, def: "2s", field: durationField(&c.FlowrouteMaxWait, 0, time.Minute),
			doc: "how long a request may wait for its turn under `FLOWROUTE_RATE`"},

		{key: keyCodeLength, def: "4", field: intField(&c.CodeLength, 1, 1000),
			doc: "digits of a code; 6 are recommended"},
		{key: "CODE_EXPIRATION", def: "3600", field: secondsField(&c.CodeExpiration, 1, maxExpiration),
			doc: "lifetime of a code; 600 is recommended"},
		{key: "RETRIES_ALLOWED", def: "3", field: intField(&c.RetriesAllowed, 1, maxExact),
			doc: "wrong codes allowed until a code is dropped"},
		{key: "ORG_NAME", def: defaultOrganization, field: textField(&c.OrgName, nil),
			doc: "your name in the message; any characters, put in literally"},
		{key: "AUTH_MESSAGE", def: defaultMessage, field: templateField(&c.AuthMessage),
			doc: "text of the message: `{code}` or `{}` is the code and must be there, `{org}` is `ORG_NAME`, `{minutes}` the lifetime rounded up; every other character is literal, so a line break is a real newline (in YAML: double quotes and `\\n`)"},
		{key: "RESEND", def: "new", field: choiceField(&c.Resend, "new", "same"),
			doc: "what a create sends while a code for the same `auth_id` and recipient is live: a new code, or the same one for as long as half of its lifetime is left, with the attempts and the time that it has left"},
		{key: keyProfiles, field: field{kind: mapping},
			doc: "named sets of settings, one for each purpose that codes serve: a mapping of names to what differs, or the same as text in YAML or JSON, which replaces that of a file as a whole; `config.sample.yaml` shows one; a request names its profile"},
		{key: keyCodeSecret, field: secretField(&c.codeSecret, checkLongSecret),
			doc: "key under which codes, ids and numbers are stored, the same on all replicas, 16 random bytes or more; default: derived from `FLOWROUTE_SECRET_KEY`, in debug mode random if that is not set"},
		{key: keyPreviousSecret, field: secretField(&c.previousSecret, nil),
			doc: "the `CODE_SECRET` of before, still accepted for checking codes; may be shorter"},
		{key: keyTestRecipients, field: testRecipientsField(&c.TestRecipients),
			doc: "numbers for your own tests, such as `15005550001=000000`, comma-separated: their codes are fixed, and nothing is sent to them"},
		{key: keyTestsUntil, field: untilField(&c.TestRecipientsUntil),
			doc: "when `TEST_RECIPIENTS` become numbers like any other; required with them unless `DEBUG_MODE`"},
	}
}

// serviceSettings are about the process and Redis.
func (c *Config) serviceSettings() []setting {
	return []setting{
		{key: keyDebugMode, def: "false", field: boolField(&c.DebugMode),
			doc: "runs with a Redis and a Flowroute simulator inside the process and prints the messages; refuses to start together with `REDIS_URL`"},
		{key: "LOG_LEVEL", def: "info", field: levelField(&c.LogLevel),
			doc: "least severe log lines to write; may be changed while the service runs"},
		{key: "LOG_RATE", def: "100", field: intField(&c.LogRate, 0, 1_000_000),
			doc: "lines that a process logs in a second for each kind of request (route, status and reason) by itself; more are only counted; lines of messages that were sent are always written; `0` is no limit, nor is there one at level `debug`"},
		{key: "LISTEN_ADDR", def: ":8000", debug: "127.0.0.1:8000", field: addrField(&c.ListenAddr, false),
			doc: "address of the public API"},
		{key: keyAdminAddr, def: "127.0.0.1:9464", field: addrField(&c.AdminAddr, true),
			doc: "address of `/metrics`, `/loglevel`, `/healthz`, `/readyz` and `/debug/pprof`"},
		{key: "IDLE_TIMEOUT", def: "2m", field: durationField(&c.IdleTimeout, 100*time.Millisecond, 24*time.Hour),
			doc: "how long an idle client connection is kept; must be longer than the load balancer keeps it"},

		{key: keyRedisURL, def: "redis://localhost:6379/0", field: secretField(&c.RedisURL, checkRedisURL),
			doc: "`redis://`, `rediss://` (TLS) or `unix://`; more nodes as `?addr=host:port`"},
		{key: keyRedisMode, def: "standalone", field: choiceField(&c.RedisMode, "standalone", "sentinel", "cluster"),
			doc: "what `REDIS_URL` leads to; `sentinel` needs `master_name` in the URL"},
		{key: keyRedisUsername, field: wordField(&c.RedisUsername),
			doc: "user of Redis, in place of the one in `REDIS_URL`; in mode `sentinel` that of the servers"},
		{key: keyRedisPassword, field: secretField(&c.RedisPassword, nil),
			doc: "password of Redis, not percent-encoded, in place of the one in `REDIS_URL`; in mode `sentinel` that of the servers"},
		{key: keyRedisCA, field: pemField(&c.RedisTLSCA, checkAuthorities),
			doc: "authority that the certificate of Redis must come from under `rediss://`; empty is those of the system"},
		{key: keyRedisCert, field: pemField(&c.RedisTLSCert, checkPEM),
			doc: "client certificate for Redis under `rediss://`, with `REDIS_TLS_KEY`; read for each new connection, so that it can be renewed"},
		{key: keyRedisKey, field: pemField(&c.RedisTLSKey, checkPEM),
			doc: "private key of `REDIS_TLS_CERT`"},
		{key: "REDIS_KEY_PREFIX", def: "smsv:", field: textField(&c.RedisKeyPrefix, checkKeyPrefix),
			doc: "start of every key; 1 to 64 visible ASCII characters, none of `{ } * ? [ ] \\`"},

		{key: "REDIS_WAIT_REPLICAS", def: "0", field: intField(&c.RedisWaitReplicas, 0, 100),
			doc: "a right code is accepted only when so many replicas of Redis have taken note of it"},
	}
}

// useSettings are about who may use the service and how much, and how it ends.
func (c *Config) useSettings() []setting {
	return []setting{
		{key: "MAX_CONNECTIONS", def: "4096", field: intField(&c.MaxConnections, 1, 1_000_000),
			doc: "client connections of each of the two addresses; at the limit the one that has been idle longest is closed, and if none is idle, new ones wait; lowered at the start to what the file descriptors allow"},
		{key: "MAX_IN_FLIGHT", def: "1000", field: intField(&c.MaxInFlight, 1, 1_000_000),
			doc: "requests that one process works on at a time, creates and checks counted apart; more are answered 503 at once"},

		{key: keyAPIKeys, field: apiKeysField(&c.APIKeys),
			doc: "who may use the API, each a name and the SHA-256 of the key in hex; empty leaves the API open to everybody"},
		{key: "CALLER_IDS", def: "separate", field: choiceField(&c.CallerIDs, "separate", "shared"),
			doc: "whether each name in `API_KEYS` has its own `auth_id`s, so that no key can read, replace, use up or delete the codes of another, or all share them"},
		{key: keyCallerLimits, def: "off", field: callerLimitsField(&c.CallerLimits),
			doc: "messages per name in `API_KEYS`; `*` gives each one that is not named a count of its own"},
		{key: "CLIENT_LIMITS", def: "off", field: windowsField(&c.ClientLimits, maxOfOne),
			doc: "messages per name in `API_KEYS` and `client`, the person whom a request names, best by IP address"},
		{key: "SEND_LIMITS", def: "5/10m,20/24h", field: windowsField(&c.SendLimits, maxOfOne),
			doc: "messages per recipient: in any span of that length at most so many, all must hold"},
		{key: "GUESS_LIMITS", def: "20/24h", field: windowsField(&c.GuessLimits, maxOfOne),
			doc: "wrong codes per recipient over all its codes; reached, there is no new code for that number until it clears"},
		{key: "SEND_LIMITS_TOTAL", def: "off", field: windowsField(&c.SendLimitsTotal, codes.MaxWindowCount),
			doc: "messages of the whole service: the spending cap"},
		{key: "SEGMENT_PRICE", field: priceField(&c.SegmentPrice),
			doc: "price of one message segment, such as `0.0040`: `check` then says the most that a day and a month can cost"},
		{key: "UNVERIFIED_LIMITS", def: "exchange:20/1h,area:100/1h+50%,all:1000/1h+50%", field: unverifiedField(&c.Unverified),
			doc: "messages whose code is not entered, per exchange (the first seven digits), per area code and in all: in any span of that length at most so many, and the given share of the codes that were entered there in the last 24 hours"},
		{key: "UNVERIFIED_MODE", def: "shadow", field: unverifiedModeField(&c.Unverified.Mode),
			doc: "`shadow` counts and reports what exceeds `UNVERIFIED_LIMITS`, and sends it; `enforce` refuses it; `off` counts nothing"},
		{key: "ALLOWED_PREFIXES", field: prefixesField(&c.AllowedPrefixes),
			doc: "recipients that messages may go to; the longest match wins, on equal length blocked; empty is all"},
		{key: "BLOCKED_PREFIXES", field: prefixesField(&c.BlockedPrefixes),
			doc: "recipients that messages may not go to"},
		{key: "TRUSTED_PROXIES", field: proxiesField(&c.TrustedProxies),
			doc: "proxies whose `X-Forwarded-For` is believed; empty is none"},

		{key: keyPublicURL, field: publicURLField(&c.PublicURL),
			doc: "where Flowroute reaches this service; with `WEBHOOK_TOKEN` messages ask for delivery receipts there; `http://` only towards loopback"},
		{key: keyWebhookToken, field: secretField(&c.WebhookToken, checkWebhookToken),
			doc: "end of the path that Flowroute sends delivery receipts to, and what shows that they are its own; 16 to 128 of `A-Za-z0-9._~-`, at random"},

		{key: "TWILIO_API", def: "false", field: boolField(&c.TwilioAPI),
			doc: "serves the routes of Twilio Verify too, so that its client libraries work with this service"},

		{key: "EXPIRED_NOTICE", def: "600", field: secondsField(&c.ExpiredNotice, 0, maxNotice),
			doc: "how long after its expiry a code is called expired, once, and not unknown; `0` is off"},
		{key: "SHUTDOWN_DELAY", def: "5s", debug: "0s", field: durationField(&c.ShutdownDelay, 0, 10*time.Minute),
			doc: "how long to serve on after a signal to stop, so that load balancers notice"},
		{key: keyShutdownTimeout, def: "15s", field: durationField(&c.ShutdownTimeout, 0, time.Hour),
			doc: "then, longest time to finish the requests in flight; at least `FLOWROUTE_TIMEOUT` + `FLOWROUTE_MAX_WAIT`"},
	}
}
