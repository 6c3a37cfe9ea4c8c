package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"testing"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const (
	secretCode     = "codesecret-77aa0b1c2d3e"
	secretPrevious = "previoussecret-99bb0b1c2d"
	secretAPIKey   = "apikey-55cc0b1c2d3e4f"
	secretPassword = "redis:pass/word@-33dd#?%"
	secretWrong    = "wrong-password-11ee"
)

// secretParts are the secrets, and their parts and spellings that must not appear.
func secretParts() []string {
	return []string{
		testAccessKey, testSecretKey, base64.StdEncoding.EncodeToString([]byte(testAccessKey + ":" + testSecretKey)),
		secretCode, secretPrevious, secretAPIKey, secretPassword, url.QueryEscape(secretPassword), url.PathEscape(secretPassword),
		"-33dd", "pass/", "pass%2F", secretWrong,
	}
}

// TestSecretsStaySecret: no secret appears in the output of check or serve or in an
// answer, whether the settings are right, wrong, or refused by Redis. Package config
// tests the errors about secrets of every source.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, fmt.Sprintf("user app on >%s ~* &* +@all", secretPassword))
	sim := startSimulator(t, flowroutetest.Options{})
	address := func(password string) string {
		return (&url.URL{Scheme: "redis", User: url.UserPassword("app", password), Host: redis.Addr, Path: "/0"}).String()
	}
	for _, c := range []struct {
		name, redisURL string
		env            []string
		check          int // exit status of check
	}{
		{"good", address(secretPassword), nil, 0},
		{"refused by Redis", address(secretWrong), nil, 1},
		{"wrong settings", address(secretPassword), []string{"CODE_LENGTH=0", "CODE_SECRET_PREVIOUS=" + secretCode}, 2},
		{"wrong URL", "redis://app:" + secretPassword + "@" + redis.Addr + "/0", nil, 2},
		{"a key in place of its hash", address(secretPassword), []string{"API_KEYS=shop:" + secretAPIKey}, 2},
	} {
		dir := dirWith(t, "credentials.yaml", fmt.Sprintf("code_secret: %q\n", secretCode), "previous", secretPrevious+"\n")
		env := environment(redis, sim, append([]string{
			"REDIS_URL=" + c.redisURL, "CODE_SECRET_PREVIOUS_FILE=" + dir + "/previous", "LOG_LEVEL=debug",
			fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(secretAPIKey))),
		}, c.env...)...)
		checked, p := startIn(t, dir, env, "check"), startIn(t, dir, env)
		seen := ""
		if c.check == 2 {
			p.exits(t, 2)
		} else {
			seen = useSecretly(t, p, c.check == 0)
			p.stop(t, 0)
		}
		checked.exits(t, c.check)
		for where, text := range map[string]string{
			"check": checked.stdout.String() + checked.stderr.String(), "serve": p.stdout.String() + p.stderr.String(), "what it serves": seen,
		} {
			lacks(t, c.name+": "+where, text, secretParts()...)
			if text == "" && (where != "what it serves" || c.check != 2) {
				t.Errorf("%s: %s has no output to look at", c.name, where)
			}
		}
	}
}

// useSecretly calls a service with its API key and without, and returns its answers.
func useSecretly(t *testing.T, p *process, works bool) (seen string) {
	t.Helper()
	p.listening(t)
	made := []*answer{create(t, p.URL, "a", anyone, as("x"+secretAPIKey))}
	if works {
		p.ready(t)
		made = append(made, create(t, p.URL, "a", anyone, as(secretAPIKey)).want(t, 200, ""))
	} else {
		p.logs(t, "not ready")
		made = append(made, create(t, p.URL, "a", anyone, as(secretAPIKey)))
		made[1].wantUnavailable(t)
	}
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		made = append(made, get(t, p.Admin+path))
	}
	for _, a := range made {
		seen += a.raw + fmt.Sprint(a.header)
	}
	return seen
}
