package config

import (
	"slices"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// setting is one row of the table.
type setting struct {
	key      string // name in the environment
	def      string // default; empty for none
	debug    string // default in debug mode, if it differs
	required bool   // unless in debug mode
	doc      string // one line of Markdown; the field's rule is appended
	field
}

// isSecret reports whether the setting has no flag and is also read from NAME_FILE.
func (s setting) isSecret() bool { return s.kind == secret }

const (
	maxExact      = 1<<53 - 1 // largest integer that is exact in a Lua script of Redis
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

var redisModes = []string{"standalone", "sentinel", "cluster"}

// settings returns the table. To add a setting, add a field to [Config] and a
// row to one of the three parts.
func (c *Config) settings() []setting {
	return slices.Concat(c.messageSettings(), c.serviceSettings(), c.limitSettings())
}

// messageSettings configure codes and messages.
func (c *Config) messageSettings() []setting {
	return []setting{
		{key: keyAccessKey, required: true, field: textField(secret, &c.FlowrouteAccessKey),
			doc: "access key of the Flowroute API"},
		{key: keySecretKey, required: true, field: textField(secret, &c.FlowrouteSecretKey),
			doc: "secret key of the Flowroute API"},
		{key: "FLOWROUTE_NUMBER", required: true, field: numberField(&c.FlowrouteNumber),
			doc: "sender of the messages"},
		{key: keyBaseURL, def: "https://api.flowroute.com", field: flowrouteURLField(&c.FlowrouteBaseURL),
			doc: "address of the Flowroute API, without its version; `http://` only to loopback or with `FLOWROUTE_INSECURE`"},
		{key: "FLOWROUTE_INSECURE", def: "false", field: boolField(&c.FlowrouteInsecure),
			doc: "allows `http://` in `FLOWROUTE_BASE_URL` beyond loopback; the credentials are then sent in clear text"},
		{key: keyTimeout, def: "10s", field: durationField(&c.FlowrouteTimeout, 100*time.Millisecond, 5*time.Minute),
			doc: "time limit for sending one message, from connecting to the answer"},
		{key: "FLOWROUTE_RATE", def: "5", debug: "0", field: intField(&c.FlowrouteRate, 0, 10_000),
			doc: "messages per second that the account allows; all replicas share it, and it is divided fairly among the names in `API_KEYS`; `0` is no limit"},
		{key: keyMaxWait, def: "2s", field: durationField(&c.FlowrouteMaxWait, 0, time.Minute),
			doc: "longest time that a request waits for its turn under `FLOWROUTE_RATE`; after it the answer is 503"},

		{key: keyCodeLength, def: "4", field: intField(&c.CodeLength, 1, 1000),
			doc: "digits of a code; we recommend 6"},
		{key: "CODE_EXPIRATION", def: "3600", field: secondsField(&c.CodeExpiration, 1, maxExpiration),
			doc: "lifetime of a code; we recommend 600"},
		{key: "RETRIES_ALLOWED", def: "3", field: intField(&c.RetriesAllowed, 1, maxExact),
			doc: "wrong codes allowed before a code is dropped"},
		{key: "ORG_NAME", def: defaultOrganization, field: textField(text, &c.OrgName),
			doc: "your name, as it appears in the message; used literally"},
		{key: "AUTH_MESSAGE", def: defaultMessage, field: templateField(&c.AuthMessage),
			doc: "text of the message: `{code}` or `{}` is the code and is required, `{org}` is `ORG_NAME`, `{minutes}` is the lifetime, rounded up; everything else is literal, so a line break is a real newline (in YAML: double quotes and `\\n`)"},
		{key: "RESEND", def: "new", field: choiceField(&c.SameCode, []string{"new", "same"}, false, true),
			doc: "what a create sends while a code for the same `auth_id` and recipient is live: a new code, or the same code while at least half of its lifetime is left; the same code keeps its remaining attempts and time"},
		{key: keyProfiles, field: field{kind: mapping},
			doc: "named sets of settings, one for each purpose of codes, as in `config.sample.yaml`; a request names its profile; from the environment as YAML or JSON text, which replaces the profiles of the file"},
		{key: keyCodeSecret, field: textField(secret, &c.codeSecret, checkLongSecret),
			doc: "key of the HMACs under which codes, ids and numbers are stored; the same on all replicas; at least 16 random bytes; if not set, derived from `FLOWROUTE_SECRET_KEY`, or random in debug mode without that key"},
		{key: keyPreviousSecret, field: textField(secret, &c.previousSecret),
			doc: "second secret that is accepted for checking codes, so that `CODE_SECRET` can be changed without losing any; may be shorter"},
		{key: keyTestRecipients, field: testRecipientsField(&c.TestRecipients),
			doc: "test numbers with a fixed code, such as `15005550001=000000`, comma-separated; nothing is sent to them"},
		{key: keyTestsUntil, field: untilField(&c.TestRecipientsUntil),
			doc: "when the codes of `TEST_RECIPIENTS` stop working; required with them unless `DEBUG_MODE`"},
	}
}

// serviceSettings configure the process and Redis.
func (c *Config) serviceSettings() []setting {
	return []setting{
		{key: keyDebugMode, def: "false", field: boolField(&c.DebugMode),
			doc: "runs Redis and a Flowroute simulator inside the process and prints the messages; cannot be combined with `REDIS_URL`"},
		{key: "LOG_LEVEL", def: "info", field: levelField(&c.LogLevel),
			doc: "least severe log lines to write; can be changed while the service runs"},
		{key: "LOG_RATE", def: "100", field: intField(&c.LogRate, 0, 1_000_000),
			doc: "log lines per second and process for each kind of request (route, status and reason); the rest are only counted; lines of sent messages are always written; `0` and level `debug` mean no limit"},
		{key: "LISTEN_ADDR", def: ":8000", debug: "127.0.0.1:8000", field: addrField(&c.ListenAddr, false),
			doc: "address of the public API"},
		{key: keyAdminAddr, def: "127.0.0.1:9464", field: addrField(&c.AdminAddr, true),
			doc: "address of `/metrics`, `/loglevel`, `/healthz`, `/readyz` and `/debug/pprof`"},
		{key: "IDLE_TIMEOUT", def: "2m", field: durationField(&c.IdleTimeout, 100*time.Millisecond, 24*time.Hour),
			doc: "how long an idle client connection is kept; must be longer than the idle timeout of the load balancer"},

		{key: keyRedisURL, def: "redis://localhost:6379/0", field: textField(secret, &c.RedisURL, checkRedisURL),
			doc: "`redis://`, `rediss://` (TLS) or `unix://`; more nodes as `?addr=host:port`"},
		{key: keyRedisMode, def: "standalone", field: choiceField(&c.RedisMode, redisModes, redisModes...),
			doc: "kind of Redis at `REDIS_URL`; `sentinel` needs `master_name` in the URL"},
		{key: keyRedisUsername, field: textField(word, &c.RedisUsername),
			doc: "user of Redis, instead of the one in `REDIS_URL`; with `sentinel` that of the servers"},
		{key: keyRedisPassword, field: textField(secret, &c.RedisPassword),
			doc: "password of Redis, instead of the one in `REDIS_URL` and without percent-encoding; with `sentinel` that of the servers"},
		{key: keyRedisCA, field: pemField(&c.RedisTLSCA, checkAuthorities),
			doc: "certificate authority of Redis under `rediss://`; the system's authorities if empty"},
		{key: keyRedisCert, field: pemField(&c.RedisTLSCert, checkPEM),
			doc: "client certificate for Redis under `rediss://`, with `REDIS_TLS_KEY`; read for each new connection, so it can be renewed without a restart"},
		{key: keyRedisKey, field: pemField(&c.RedisTLSKey, checkPEM),
			doc: "private key of `REDIS_TLS_CERT`"},
		{key: "REDIS_KEY_PREFIX", def: "smsv:", field: textField(text, &c.RedisKeyPrefix, checkKeyPrefix),
			doc: "prefix of every key; 1 to 64 visible ASCII characters, none of `{ } * ? [ ] \\`"},

		{key: "REDIS_WAIT_REPLICAS", def: "0", field: intField(&c.RedisWaitReplicas, 0, 100),
			doc: "number of Redis replicas that must acknowledge a correct code before it is accepted"},
	}
}

// limitSettings configure callers, limits and shutdown.
func (c *Config) limitSettings() []setting {
	return []setting{
		{key: "MAX_CONNECTIONS", def: "4096", field: intField(&c.MaxConnections, 1, 1_000_000),
			doc: "client connections for each of the two addresses; at the limit the connection that has been idle longest is closed, and if none is idle, new ones wait; lowered at start to what the file descriptors allow"},
		{key: "MAX_IN_FLIGHT", def: "1000", field: intField(&c.MaxInFlight, 1, 1_000_000),
			doc: "requests in progress per process, counted separately for creates and checks; more are answered 503 at once"},

		{key: keyAPIKeys, field: apiKeysField(&c.APIKeys),
			doc: "API keys, each a name and the SHA-256 of the key in hex; if empty, anyone can use the API"},
		{key: "CALLER_IDS", def: "separate", field: choiceField(&c.SharedIDs, []string{"separate", "shared"}, false, true),
			doc: "`separate` gives each name in `API_KEYS` its own `auth_id`s, so no key can read, replace, use or delete the codes of another; with `shared` all names share them"},
		{key: keyCallerLimits, def: "off", field: callerLimitsField(&c.CallerLimits),
			doc: "messages per name in `API_KEYS`; `*` is the limit of each name that is not listed, counted separately"},
		{key: "CLIENT_LIMITS", def: "off", field: windowsField(&c.ClientLimits, maxPerNumber),
			doc: "messages per name in `API_KEYS` and `client`, the end user of a request, best identified by IP address"},
		{key: "SEND_LIMITS", def: "5/10m,20/24h", field: windowsField(&c.SendLimits, maxPerNumber),
			doc: "messages per recipient within any span of the given length; all limits apply"},
		{key: "GUESS_LIMITS", def: "20/24h", field: windowsField(&c.GuessLimits, maxPerNumber),
			doc: "wrong codes per recipient, over all its codes; at the limit the number gets no new code until the window clears"},
		{key: "SEND_LIMITS_TOTAL", def: "off", field: windowsField(&c.SendLimitsTotal, codes.MaxWindowCount),
			doc: "messages of the whole service: the spending cap"},
		{key: "SEGMENT_PRICE", field: priceField(&c.SegmentPrice),
			doc: "price of one message segment, such as `0.0040`; with it `check` prints the highest cost per day and month"},
		{key: "UNVERIFIED_LIMITS", def: "exchange:20/1h,area:100/1h+50%,all:1000/1h+50%", field: unverifiedField(&c.Unverified),
			doc: "messages whose code was not entered, per exchange (the first seven digits), per area code and in all, within any span of the given length; a percentage adds that share of the codes entered there in the last 24 hours"},
		{key: "UNVERIFIED_MODE", def: "shadow", field: choiceField(&c.Unverified.Mode, []string{"off", "shadow", "enforce"}, codes.UnverifiedOff, codes.UnverifiedShadow, codes.UnverifiedEnforce),
			doc: "`shadow` logs and counts messages over `UNVERIFIED_LIMITS` but sends them; `enforce` refuses them; `off` counts nothing"},
		{key: "ALLOWED_PREFIXES", field: prefixesField(&c.AllowedPrefixes),
			doc: "recipients that may get messages, all if empty; the longest match wins, and on a tie `BLOCKED_PREFIXES` does"},
		{key: "BLOCKED_PREFIXES", field: prefixesField(&c.BlockedPrefixes),
			doc: "recipients that may not get messages"},
		{key: "TRUSTED_PROXIES", field: proxiesField(&c.TrustedProxies),
			doc: "proxies whose `X-Forwarded-For` is trusted; none if empty"},

		{key: keyPublicURL, field: publicURLField(&c.PublicURL),
			doc: "address at which Flowroute reaches this service to deliver receipts; needs `WEBHOOK_TOKEN`; `http://` only to loopback"},
		{key: keyWebhookToken, field: textField(secret, &c.WebhookToken, checkWebhookToken),
			doc: "secret last part of the path to which Flowroute posts delivery receipts; 16 to 128 random characters of `A-Za-z0-9._~-`"},

		{key: "TWILIO_API", def: "false", field: boolField(&c.TwilioAPI),
			doc: "also serves the routes of Twilio Verify, so its client libraries work with this service"},

		{key: "EXPIRED_NOTICE", def: "600", field: secondsField(&c.ExpiredNotice, 0, maxNotice),
			doc: "how long after its expiry a code is reported, once, as expired rather than unknown; `0` is off"},
		{key: "SHUTDOWN_DELAY", def: "5s", debug: "0s", field: durationField(&c.ShutdownDelay, 0, 10*time.Minute),
			doc: "how long to keep serving after a stop signal, so that load balancers notice"},
		{key: keyShutdownTimeout, def: "15s", field: durationField(&c.ShutdownTimeout, 0, time.Hour),
			doc: "time limit after `SHUTDOWN_DELAY` to finish requests in flight; at least `FLOWROUTE_TIMEOUT` + `FLOWROUTE_MAX_WAIT`"},
	}
}
