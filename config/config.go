// Package config reads the settings of the service. One table of settings
// defines loading, flags, the documentation and the sample file.
//
// A setting comes from, strongest first, its flag, its environment variable,
// credentials.yaml, config.yaml or its default. Loading is strict: an unknown
// or repeated key, a wrong type or a value out of range is a problem. All
// problems are reported at once, and none repeats a secret.
package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/flowroute/sms-verification/codes"
)

// Config holds every setting, validated. The table of settings documents them
// and their defaults.
type Config struct {
	FlowrouteAccessKey Secret      // empty only in debug mode
	FlowrouteSecretKey Secret      // empty only in debug mode
	FlowrouteNumber    codes.Phone // empty only in debug mode
	FlowrouteBaseURL   string      // without a trailing slash
	FlowrouteInsecure  bool
	FlowrouteTimeout   time.Duration
	FlowrouteRate      int // per second; 0 is no limit
	FlowrouteMaxWait   time.Duration

	CodeLength     int
	CodeExpiration time.Duration // whole seconds
	RetriesAllowed int64
	OrgName        string
	AuthMessage    codes.Template
	SameCode       bool // RESEND=same
	Profiles       []Profile

	TestRecipients      codes.TestRecipients
	TestRecipientsUntil time.Time // zero only in debug mode, or without TestRecipients

	DebugMode  bool
	LogLevel   slog.Level
	LogRate    int // lines per second of each kind; 0 is no limit
	ListenAddr string
	AdminAddr  string // empty is off

	IdleTimeout time.Duration

	RedisURL       Secret // unused in debug mode, like all settings of Redis
	RedisMode      string // standalone, sentinel or cluster
	RedisUsername  string // instead of the one in RedisURL, as is RedisPassword
	RedisPassword  Secret
	RedisTLSCA     string // PEM file; empty trusts the system's authorities
	RedisTLSCert   string // PEM file; empty, like RedisTLSKey, for no client certificate
	RedisTLSKey    string
	RedisKeyPrefix string

	RedisWaitReplicas int
	MaxConnections    int // of each listener
	MaxInFlight       int

	APIKeys         []APIKey // empty leaves the API open
	SharedIDs       bool     // CALLER_IDS=shared
	CallerLimits    map[string][]codes.Window
	ClientLimits    []codes.Window
	SendLimits      []codes.Window
	GuessLimits     []codes.Window
	SendLimitsTotal []codes.Window
	SegmentPrice    float64          // 0 is none
	Unverified      codes.Unverified // UNVERIFIED_LIMITS; Mode is UNVERIFIED_MODE
	AllowedPrefixes []string         // digits or group names
	BlockedPrefixes []string
	TrustedProxies  []netip.Prefix

	PublicURL    string // without a trailing slash; empty, like WebhookToken, for no receipts
	WebhookToken Secret

	TwilioAPI bool

	ExpiredNotice   time.Duration // whole seconds; 0 is off
	ShutdownDelay   time.Duration
	ShutdownTimeout time.Duration

	codeSecret, previousSecret Secret

	ignoredFiles []string // warnings about files that are not read
}

// APIKey is one API key: the name of its holder and the SHA-256 of the key. A
// name may have several keys.
type APIKey struct {
	Name string
	Hash [32]byte
}

// Source is where settings come from. The zero Source gives the defaults; it
// reads neither the environment nor files.
type Source struct {
	Flags           *pflag.FlagSet    // parsed, with the flags that [Flags] added; may be nil
	Environ         []string          // as os.Environ returns it
	Dir             string            // where config.yaml and credentials.yaml are read if they exist; empty for nowhere
	ConfigFile      string            // read instead of config.yaml, must exist; same as the flag --config
	CredentialsFile string            // read instead of credentials.yaml, must exist; same as the flag --credentials
	Set             map[string]string // by upper-case name, stronger than everything else

	// CheckRedis validates REDIS_URL together with the other settings of Redis;
	// nil skips it. Only the Redis client can parse its URLs.
	CheckRedis func(*Config) error
}

// Error lists every problem with the settings. Each names its setting and says
// what to do; none repeats a secret.
type Error struct {
	Problems []string
	Warnings []string // that may explain the problems
	hint     string
}

// Error returns the problems and warnings, one per line. If nothing of the
// account is set, it adds how to try the service without one.
func (e *Error) Error() string {
	lines := slices.Clone(e.Problems)
	for _, w := range e.Warnings {
		lines = append(lines, "Warning: "+w)
	}
	return strings.Join(lines, "\n") + e.hint
}

// Format masks the whole configuration under every verb, because fmt prints
// secrets in unexported fields in clear text.
func (Config) Format(f fmt.State, _ rune) { codes.Redact(f, "configuration") }

// CodeSecret returns the key of the HMACs in Redis: CODE_SECRET, or a key
// derived from FLOWROUTE_SECRET_KEY, or in debug mode random bytes.
func (c *Config) CodeSecret() []byte { return []byte(c.codeSecret) }

// PreviousCodeSecret returns CODE_SECRET_PREVIOUS, or nil if it is not set.
func (c *Config) PreviousCodeSecret() []byte {
	if c.previousSecret == "" {
		return nil
	}
	return []byte(c.previousSecret)
}

// CallbackURL returns the URL for delivery receipts, or "". It contains the
// token, which is a secret.
func (c *Config) CallbackURL() string {
	if c.WebhookToken == "" {
		return ""
	}
	return c.PublicURL + "/webhooks/flowroute/" + c.WebhookToken.Reveal()
}

// minSecret is the shortest CODE_SECRET, in bytes, that cannot be guessed.
const minSecret = 16

func checkLongSecret(s string) error {
	if len(s) < minSecret {
		return fmt.Errorf("is shorter than %d bytes, so anyone who can read Redis could guess it; make one with: openssl rand -hex 32, "+
			"and keep the old one as CODE_SECRET_PREVIOUS until its codes have expired", minSecret)
	}
	return nil
}

// Warnings returns one sentence for each setting that works but is unwise.
func (c *Config) Warnings() []string {
	w := slices.Clone(c.ignoredFiles)
	if len(c.APIKeys) == 0 && !c.DebugMode {
		w = append(w, "API_KEYS is empty: anyone who can reach LISTEN_ADDR can send messages at your cost; add a key")
	}
	if n := c.TestRecipients.Len(); n > 0 && !c.DebugMode {
		w = append(w, fmt.Sprintf("TEST_RECIPIENTS bypasses the SMS until %s: anyone who knows one of its %d codes passes without a message; remove it after your tests",
			c.TestRecipientsUntil.Format(time.RFC3339), n))
	}
	if i := slices.IndexFunc(c.TrustedProxies, func(p netip.Prefix) bool { return p.Bits() == 0 }); i >= 0 {
		w = append(w, fmt.Sprintf("TRUSTED_PROXIES has %s, which is every address: any client can fake its address in X-Forwarded-For; list only your proxies", c.TrustedProxies[i]))
	}
	if !c.DebugMode && skipsVerification(c.RedisURL) {
		w = append(w, "REDIS_URL has skip_verify=true: anyone between the service and Redis can impersonate Redis and read everything; remove it, and set REDIS_TLS_CA")
	}
	return w
}

// skipsVerification parses the URL as the Redis client does.
func skipsVerification(redisURL Secret) bool {
	u, err := url.Parse(redisURL.Reveal())
	if err != nil || u.Scheme != "rediss" {
		return false
	}
	values := u.Query()["skip_verify"]
	return len(values) > 0 && slices.Contains([]string{"true", "1"}, values[len(values)-1])
}
