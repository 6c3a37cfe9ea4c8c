package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// check validates settings against each other. It skips a setting that is
// wrong by itself, since that problem is already reported.
func (l *loader) check(c *Config) {
	given := false // whether any setting of the account is set
	for _, s := range l.settings {
		if s.required && !c.DebugMode && !l.isSet(s.key) && !l.wrong[s.key] {
			l.bad(s.key, "", errors.New("is required; "+howToSet(s)))
		} else if s.required {
			given = true
		}
	}
	if !given {
		l.hint = firstSteps
	}
	l.checkBaseURL(c)
	l.checkRedis(c)
	if least := c.FlowrouteTimeout + c.FlowrouteMaxWait; !l.anyWrong(keyTimeout, keyMaxWait, keyShutdownTimeout) && c.ShutdownTimeout < least {
		l.bad(keyShutdownTimeout, l.origins[keyShutdownTimeout], fmt.Errorf("%s is shorter than FLOWROUTE_TIMEOUT + FLOWROUTE_MAX_WAIT; write at least %s",
			short(c.ShutdownTimeout), short(least)))
	}
	l.checkCallers(c)
	l.checkReceipts(c)
	l.checkCodeSecret(c)
	l.checkTestRecipients(c)
}

// firstSteps helps a person who has no account yet.
const firstSteps = `

To try it without an account and without Redis:
  sms-verification demo               shows one verification from end to end
  DEBUG_MODE=true sms-verification    serves on 127.0.0.1:8000 and prints the messages`

func (l *loader) checkRedis(c *Config) {
	if c.DebugMode {
		if l.isSet(keyRedisURL) {
			l.bad(keyRedisURL, l.origins[keyRedisURL], errors.New("cannot be combined with DEBUG_MODE, which runs its own Redis; remove one of the two"))
		}
		return
	}
	l.checkRedisTLS(c)
	if l.redis == nil || l.anyWrong(keyRedisURL, keyRedisMode, keyRedisUsername, keyRedisPassword, keyRedisCA, keyRedisCert, keyRedisKey, keyDebugMode) {
		return
	}
	if err := l.redis(c); err != nil {
		l.bad(keyRedisURL, l.origins[keyRedisURL], err)
	}
}

func (l *loader) checkRedisTLS(c *Config) {
	files := map[string]string{keyRedisCA: c.RedisTLSCA, keyRedisCert: c.RedisTLSCert, keyRedisKey: c.RedisTLSKey}
	if u, err := url.Parse(c.RedisURL.Reveal()); !l.anyWrong(keyRedisURL) && (err != nil || u.Scheme != "rediss") {
		for _, key := range []string{keyRedisCA, keyRedisCert, keyRedisKey} {
			if files[key] != "" && !l.wrong[key] {
				l.bad(key, l.origins[key], errors.New("needs TLS, but REDIS_URL does not start with rediss://; change the URL, or remove this setting"))
			}
		}
	}
	if l.anyWrong(keyRedisCert, keyRedisKey) {
		return
	}
	switch cert, key := c.RedisTLSCert, c.RedisTLSKey; {
	case cert == "" && key == "":
	case key == "":
		l.bad(keyRedisKey, "", errors.New("is required with REDIS_TLS_CERT; set it to the file of the certificate's private key"))
	case cert == "":
		l.bad(keyRedisCert, "", errors.New("is required with REDIS_TLS_KEY; set it to the file of the certificate for that key"))
	default:
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			l.bad(keyRedisCert, l.origins[keyRedisCert], fmt.Errorf("cannot be used with REDIS_TLS_KEY: %w; use a certificate and its own private key", reason(err)))
		}
	}
}

// checkCallers refuses a limit for a name without a key, which is a typo.
func (l *loader) checkCallers(c *Config) {
	if l.anyWrong(keyAPIKeys, keyCallerLimits) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.CallerLimits)) {
		if name != codes.AnyCaller && !slices.ContainsFunc(c.APIKeys, func(k APIKey) bool { return k.Name == name }) {
			l.bad(keyCallerLimits, l.origins[keyCallerLimits], fmt.Errorf("limits %s, which is not a name in API_KEYS; correct the name, or write *", shown(name)))
		}
	}
}

// checkReceipts refuses one of the two settings without the other: it has no
// effect, so it is a mistake.
func (l *loader) checkReceipts(c *Config) {
	switch {
	case l.anyWrong(keyPublicURL, keyWebhookToken) || (c.PublicURL == "") == (c.WebhookToken == ""):
	case c.PublicURL == "":
		l.bad(keyPublicURL, "", errors.New("is required with WEBHOOK_TOKEN; set it to the https:// address at which Flowroute reaches this service, or remove WEBHOOK_TOKEN"))
	default:
		l.bad(keyWebhookToken, "", errors.New("is required with PUBLIC_URL; make one with: openssl rand -hex 32, or remove PUBLIC_URL"))
	}
}

func howToSet(s setting) string {
	if s.isSecret() {
		return "set it in credentials.yaml, in the environment, or in a file that " + s.key + "_FILE names"
	}
	return "set it in config.yaml or in the environment"
}

func (l *loader) anyWrong(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return l.wrong[key] })
}

func (l *loader) checkBaseURL(c *Config) {
	if !l.anyWrong(keyBaseURL, "FLOWROUTE_INSECURE") && !c.FlowrouteInsecure && isClearText(c.FlowrouteBaseURL) {
		l.bad(keyBaseURL, l.origins[keyBaseURL], errors.New("would send the credentials in clear text; write https://, or set FLOWROUTE_INSECURE=true"))
	}
}

// checkCodeSecret also sets the default, which depends on another setting.
func (l *loader) checkCodeSecret(c *Config) {
	if c.codeSecret != "" && c.codeSecret == c.previousSecret {
		l.bad(keyPreviousSecret, l.origins[keyPreviousSecret], errors.New("is the same as CODE_SECRET; set it to the other secret, or remove it"))
	}
	if c.codeSecret != "" || l.anyWrong(keyCodeSecret) {
		return
	}
	if c.FlowrouteSecretKey == "" {
		c.codeSecret = randomSecret() // debug mode; otherwise the missing key is reported
		return
	}
	derived, err := deriveSecret(c.FlowrouteSecretKey)
	if err != nil {
		l.bad(keyCodeSecret, "", errors.New("cannot be derived from FLOWROUTE_SECRET_KEY; set it"))
	}
	c.codeSecret = derived
}

// checkTestRecipients requires an end date, so that a forgotten test number does
// not bypass verification for ever.
func (l *loader) checkTestRecipients(c *Config) {
	if !l.isSet(keyTestRecipients) {
		return
	}
	if !c.DebugMode && !l.anyWrong(keyTestsUntil, keyDebugMode) && !c.TestRecipientsUntil.After(time.Now()) {
		l.bad(keyTestsUntil, l.origins[keyTestsUntil], errors.New("must be in the future when TEST_RECIPIENTS is set; write a date such as 2030-01-31, or remove TEST_RECIPIENTS"))
	}
	need := c.TestRecipients.Digits()
	fits := func(key string, length int) {
		if need > length && !l.wrong[key] {
			l.bad(keyTestRecipients, l.origins[keyTestRecipients], fmt.Errorf("has a code of %d digits, not counting leading zeros, but %s is %d; shorten the code", need, key, length))
		}
	}
	fits(keyCodeLength, c.CodeLength)
	for _, p := range c.Profiles {
		if p.CodeLength != c.CodeLength {
			fits(p.Path(keyCodeLength), p.CodeLength)
		}
	}
}
