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

// check looks at what several settings say together. A setting that is wrong
// by itself is left alone: its problem is known already.
func (l *loader) check(c *Config) {
	given := false // something of the account
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

// firstSteps is for whoever has no account yet, or starts the program to see what it does.
const firstSteps = `

To try it without an account and without Redis:
  sms-verification demo               shows one verification from end to end
  DEBUG_MODE=true sms-verification    serves on 127.0.0.1:8000 and prints the messages`

func (l *loader) checkRedis(c *Config) {
	if c.DebugMode {
		if l.isSet(keyRedisURL) {
			l.bad(keyRedisURL, l.origins[keyRedisURL], errors.New("excludes DEBUG_MODE, which has a Redis of its own; remove one of the two"))
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
				l.bad(key, l.origins[key], errors.New("is for TLS, which REDIS_URL does not ask for; begin that with rediss://, or remove this"))
			}
		}
	}
	if l.anyWrong(keyRedisCert, keyRedisKey) {
		return
	}
	switch cert, key := c.RedisTLSCert, c.RedisTLSKey; {
	case cert == "" && key == "":
	case key == "":
		l.bad(keyRedisKey, "", errors.New("is missing beside REDIS_TLS_CERT; set it to the file of the certificate's private key"))
	case cert == "":
		l.bad(keyRedisCert, "", errors.New("is missing beside REDIS_TLS_KEY; set it to the file of the key's certificate"))
	default:
		if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
			l.bad(keyRedisCert, l.origins[keyRedisCert], fmt.Errorf("cannot be used with REDIS_TLS_KEY: %w; write a certificate and its own private key", reason(err)))
		}
	}
}

// checkCallers: a limit for a name that nobody has is a slip of the pen.
func (l *loader) checkCallers(c *Config) {
	if l.anyWrong(keyAPIKeys, keyCallerLimits) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.CallerLimits)) {
		if name != codes.AnyCaller && !slices.ContainsFunc(c.APIKeys, func(k APIKey) bool { return k.Name == name }) {
			l.bad(keyCallerLimits, l.origins[keyCallerLimits], fmt.Errorf("limits %s, a name that is not in API_KEYS; write one that is, or *", shown(name)))
		}
	}
}

// checkReceipts: one of the two alone is more likely a mistake than a wish.
func (l *loader) checkReceipts(c *Config) {
	switch {
	case l.anyWrong(keyPublicURL, keyWebhookToken) || (c.PublicURL == "") == (c.WebhookToken == ""):
	case c.PublicURL == "":
		l.bad(keyPublicURL, "", errors.New("is missing beside WEBHOOK_TOKEN; set it to the https:// address at which Flowroute reaches this service, or remove the other"))
	default:
		l.bad(keyWebhookToken, "", errors.New("is missing beside PUBLIC_URL; set it to a long random one, or remove the other"))
	}
}

func howToSet(s setting) string {
	if s.isSecret() {
		return "set it in credentials.yaml, in the environment, or in a file that " + s.key + "_FILE names"
	}
	return "set it in config.yaml or in the environment"
}

func (l *loader) anyWrong(keys ...string) bool {
	for _, key := range keys {
		if l.wrong[key] {
			return true
		}
	}
	return false
}

func (l *loader) checkBaseURL(c *Config) {
	if !l.anyWrong(keyBaseURL, "FLOWROUTE_INSECURE") && !c.FlowrouteInsecure && isReadable(c.FlowrouteBaseURL) {
		l.bad(keyBaseURL, l.origins[keyBaseURL], errors.New("would send the credentials readable; write https://, or set FLOWROUTE_INSECURE=true"))
	}
}

// checkCodeSecret also fills in the default, which depends on another setting.
func (l *loader) checkCodeSecret(c *Config) {
	if c.codeSecret != "" && c.codeSecret == c.previousSecret {
		l.bad(keyPreviousSecret, l.origins[keyPreviousSecret], errors.New("is the same as CODE_SECRET; write the one of before, or remove it"))
	}
	if c.codeSecret != "" || l.anyWrong(keyCodeSecret) {
		return
	}
	if c.FlowrouteSecretKey == "" {
		c.codeSecret = randomSecret() // in debug mode; else the missing key is a problem
		return
	}
	derived, err := deriveSecret(c.FlowrouteSecretKey)
	if err != nil {
		l.bad(keyCodeSecret, "", errors.New("cannot be derived from FLOWROUTE_SECRET_KEY; set it"))
	}
	c.codeSecret = derived
}

// checkTestRecipients sees to it that a way around the message does not stay
// open because somebody forgot it.
func (l *loader) checkTestRecipients(c *Config) {
	if !l.isSet(keyTestRecipients) {
		return
	}
	if !c.DebugMode && !l.anyWrong(keyTestsUntil, keyDebugMode) && !c.TestRecipientsUntil.After(time.Now()) {
		l.bad(keyTestsUntil, l.origins[keyTestsUntil], errors.New("must name a day or time in the future, such as 2030-01-31, when TEST_RECIPIENTS is set; write one, or remove TEST_RECIPIENTS"))
	}
	need := c.TestRecipients.Digits()
	fits := func(key string, length int) {
		if need > length && !l.wrong[key] {
			l.bad(keyTestRecipients, l.origins[keyTestRecipients], fmt.Errorf("has a code of %d digits, leading zeros aside, where %s is %d; shorten the code", need, key, length))
		}
	}
	fits(keyCodeLength, c.CodeLength)
	for _, p := range c.Profiles {
		if p.CodeLength != c.CodeLength {
			fits(p.Path(keyCodeLength), p.CodeLength)
		}
	}
}
