// Package config reads the settings of the service: one table of settings,
// from which loading, flags, the documentation and the sample file are made.
//
// Strongest first, a setting comes from its flag, its environment variable,
// credentials.yaml, config.yaml, or its default. Loading is strict: what is
// unknown, given twice, of the wrong type or out of range is a problem, all of
// them are reported at once, and none of them repeats a secret.
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

// Config holds every setting, checked. What each one means, and its default,
// stands in the table of settings.
type Config struct {
	FlowrouteAccessKey Secret      // empty only in debug mode
	FlowrouteSecretKey Secret      // empty only in debug mode
	FlowrouteNumber    codes.Phone // empty only in debug mode
	FlowrouteBaseURL   string      // without a slash at the end
	FlowrouteInsecure  bool
	FlowrouteTimeout   time.Duration
	FlowrouteRate      int // per second; 0 is no limit
	FlowrouteMaxWait   time.Duration

	CodeLength     int
	CodeExpiration time.Duration // whole seconds
	RetriesAllowed int64
	OrgName        string
	AuthMessage    codes.Template
	Resend         string // new or same
	Profiles       []Profile

	TestRecipients      codes.TestRecipients
	TestRecipientsUntil time.Time // zero only in debug mode, or without TestRecipients

	DebugMode  bool
	LogLevel   slog.Level
	LogRate    int // lines a second of each kind; 0 is no limit
	ListenAddr string
	AdminAddr  string // empty is off

	IdleTimeout time.Duration

	RedisURL       Secret // not used in debug mode, nor is the rest of Redis
	RedisMode      string // standalone, sentinel or cluster
	RedisUsername  string // in place of the one in RedisURL, as the password
	RedisPassword  Secret
	RedisTLSCA     string // PEM file; empty trusts the system's authorities
	RedisTLSCert   string // PEM file; empty, as RedisTLSKey, shows no certificate
	RedisTLSKey    string
	RedisKeyPrefix string

	RedisWaitReplicas int
	MaxConnections    int // of each listener
	MaxInFlight       int

	APIKeys         []APIKey // empty leaves the API open
	CallerIDs       string   // separate or shared
	CallerLimits    map[string][]codes.Window
	ClientLimits    []codes.Window
	SendLimits      []codes.Window
	GuessLimits     []codes.Window
	SendLimitsTotal []codes.Window
	SegmentPrice    float64          // 0 is none
	Unverified      codes.Unverified // its Mode is UNVERIFIED_MODE
	AllowedPrefixes []string         // digits or names of groups
	BlockedPrefixes []string
	TrustedProxies  []netip.Prefix

	PublicURL    string // without a slash at the end; empty, as WebhookToken, asks for no receipts
	WebhookToken Secret

	TwilioAPI bool

	ExpiredNotice   time.Duration // whole seconds; 0 is off
	ShutdownDelay   time.Duration
	ShutdownTimeout time.Duration

	codeSecret, previousSecret Secret

	ignoredFiles []string // warnings about files that are not read
}

// APIKey is one key that opens the API: its holder's name, for the logs, and
// the SHA-256 of the whole key. A name may have several keys.
type APIKey struct {
	Name string
	Hash [32]byte
}

// Source is where settings come from. The zero Source gives the defaults,
// whatever the process's environment and files say.
type Source struct {
	Flags           *pflag.FlagSet    // parsed, with the flags that [Flags] added; may be nil
	Environ         []string          // as os.Environ returns it
	Dir             string            // where config.yaml and credentials.yaml are read if they are there; empty is nowhere
	ConfigFile      string            // read in place of config.yaml, must exist; the flag --config says the same
	CredentialsFile string            // read in place of credentials.yaml, must exist; the flag --credentials says the same
	Set             map[string]string // by upper-case name, stronger than everything else

	// CheckRedis returns what is wrong with REDIS_URL, given the other settings of
	// Redis; nil skips the check. Only the Redis client knows its URLs.
	CheckRedis func(*Config) error
}

// Error lists everything that is wrong with the settings. Each problem names
// its setting and says what to do; none repeats the value of a secret.
type Error struct {
	Problems []string
	Warnings []string // that may explain the problems
	hint     string
}

// Error returns the problems and warnings, one per line, and for a first run what to try.
func (e *Error) Error() string {
	lines := slices.Clone(e.Problems)
	for _, w := range e.Warnings {
		lines = append(lines, "Warning: "+w)
	}
	return strings.Join(lines, "\n") + e.hint
}

// Format masks the whole configuration under every verb: fmt would print the
// secrets in unexported fields as they are.
func (Config) Format(f fmt.State, _ rune) { codes.Redact(f, "configuration") }

// CodeSecret returns the key under which codes, ids and numbers are stored:
// CODE_SECRET; else a key derived from FLOWROUTE_SECRET_KEY; else, which
// happens in debug mode only, random bytes that last as long as the Config.
func (c *Config) CodeSecret() []byte { return []byte(c.codeSecret) }

// PreviousCodeSecret returns CODE_SECRET_PREVIOUS, or nil if it is not set.
func (c *Config) PreviousCodeSecret() []byte {
	if c.previousSecret == "" {
		return nil
	}
	return []byte(c.previousSecret)
}

// CallbackURL returns where delivery receipts are asked for, or "". It holds
// the token, which is a secret.
func (c *Config) CallbackURL() string {
	if c.WebhookToken == "" {
		return ""
	}
	return c.PublicURL + "/webhooks/flowroute/" + c.WebhookToken.Reveal()
}

// minSecret is how many bytes of CODE_SECRET make guessing it hopeless.
const minSecret = 16

func checkLongSecret(s string) error {
	if len(s) < minSecret {
		return fmt.Errorf("is shorter than %d bytes, so anyone who can read Redis could guess it; make one with: openssl rand -hex 32, "+
			"and keep the old one as CODE_SECRET_PREVIOUS while its codes live", minSecret)
	}
	return nil
}

// Warnings returns what works but is unwise, one sentence each.
func (c *Config) Warnings() []string {
	w := slices.Clone(c.ignoredFiles)
	if len(c.APIKeys) == 0 && !c.DebugMode {
		w = append(w, "API_KEYS is empty: whoever reaches LISTEN_ADDR can send messages at your cost; add a key")
	}
	if n := c.TestRecipients.Len(); n > 0 && !c.DebugMode {
		w = append(w, fmt.Sprintf("TEST_RECIPIENTS opens a way in until %s: whoever knows one of its %d codes passes without a message; remove it when the tests are over",
			c.TestRecipientsUntil.Format(time.RFC3339), n))
	}
	if i := slices.IndexFunc(c.TrustedProxies, func(p netip.Prefix) bool { return p.Bits() == 0 }); i >= 0 {
		w = append(w, fmt.Sprintf("TRUSTED_PROXIES has %s, every address: any client can pretend to be another one in X-Forwarded-For; name your proxies alone", c.TrustedProxies[i]))
	}
	if !c.DebugMode && skipsVerification(c.RedisURL) {
		w = append(w, "REDIS_URL has skip_verify=true: anybody on the way to Redis can pretend to be Redis and read everything; remove it, and name the authority in REDIS_TLS_CA")
	}
	return w
}

// skipsVerification reads the URL as the Redis client does.
func skipsVerification(redisURL Secret) bool {
	u, err := url.Parse(redisURL.Reveal())
	if err != nil || u.Scheme != "rediss" {
		return false
	}
	values := u.Query()["skip_verify"]
	return len(values) > 0 && slices.Contains([]string{"true", "1"}, values[len(values)-1])
}
