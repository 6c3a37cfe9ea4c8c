package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// giveSecrets gives the same secrets as lines of the environment, in credentials.yaml
// of dir, or in a file each.
func giveSecrets(t *testing.T, form, dir, redisURL string) (env []string) {
	t.Helper()
	yaml := ""
	for _, s := range [][2]string{
		{"FLOWROUTE_ACCESS_KEY", testAccessKey}, {"FLOWROUTE_SECRET_KEY", testSecretKey},
		{"CODE_SECRET", secretCode}, {"CODE_SECRET_PREVIOUS", secretPrevious}, {"REDIS_URL", redisURL},
	} {
		switch form {
		case "environment":
			env = append(env, s[0]+"="+s[1])
		case "YAML":
			yaml += fmt.Sprintf("%s: %q\n", strings.ToLower(s[0]), s[1])
		case "files":
			path := filepath.Join(dir, s[0])
			if err := os.WriteFile(path, []byte(s[1]+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			env = append(env, s[0]+"_FILE="+path)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "credentials.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return env
}

// TestSecretsStaySecret: no secret, wherever it comes from, appears in the output of
// check or serve or in an answer, whether the settings are right, wrong, or refused
// by Redis.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, fmt.Sprintf("user app on >%s ~* &* +@all", secretPassword))
	sim := startSimulator(t, flowroutetest.Options{})
	address := func(password string) string {
		return (&url.URL{Scheme: "redis", User: url.UserPassword("app", password), Host: redis.Addr, Path: "/0"}).String()
	}
	for _, form := range []string{"environment", "YAML", "files"} {
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
			dir := t.TempDir()
			env := append([]string{
				"FLOWROUTE_NUMBER=" + testSender, "FLOWROUTE_BASE_URL=" + sim.URL, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0",
				"SHUTDOWN_DELAY=0s", "LOG_LEVEL=debug", fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(secretAPIKey))),
			}, append(giveSecrets(t, form, dir, c.redisURL), c.env...)...)
			checked, p := startIn(t, dir, env, "check"), startIn(t, dir, env)
			seen := ""
			if c.check == 2 {
				p.exits(t, 2)
			} else {
				seen = useSecretly(t, p, c.check == 0)
				p.stop(t, 0)
			}
			checked.exits(t, c.check)
			for _, part := range secretParts() {
				for where, text := range map[string]string{
					"check's stdout": checked.stdout.String(), "check's stderr": checked.stderr.String(),
					"serve's stdout": p.stdout.String(), "serve's stderr": p.stderr.String(), "what it serves": seen,
				} {
					if strings.Contains(text, part) {
						t.Errorf("%s, %s: %s shows %q", form, c.name, where, part)
					}
				}
			}
			if checked.stdout.String()+checked.stderr.String() == "" || p.stderr.String() == "" {
				t.Errorf("%s, %s: no output to look at", form, c.name)
			}
		}
	}
}

// useSecretly calls a service with its API key and without, and returns its answers.
func useSecretly(t *testing.T, p *process, works bool) string {
	t.Helper()
	p.listening(t)
	eventually(t, 10*time.Second, "the service has tried Redis", func() bool {
		if works {
			return get(t, p.URL+"/readyz").status == 200
		}
		return strings.Contains(p.stderr.String(), "not ready")
	})
	made := create(t, p.URL, "a", anyone, as(secretAPIKey))
	if works {
		made.want(t, 200, "")
	} else {
		made.wantUnavailable(t)
	}
	seen := made.raw
	for _, a := range []*answer{
		create(t, p.URL, "a", anyone, as("x"+secretAPIKey)),
		get(t, p.Admin+"/metrics"), get(t, p.Admin+"/readyz"),
		get(t, p.Admin+"/debug/pprof/cmdline"), get(t, p.Admin+"/debug/pprof/goroutine?debug=2"),
	} {
		seen += a.raw + fmt.Sprint(a.header)
	}
	return seen
}
