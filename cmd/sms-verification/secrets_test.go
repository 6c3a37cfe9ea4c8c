package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// secretParts are what must not be seen of the secrets, in any spelling.
func secretParts() []string {
	return []string{
		testAccessKey, testSecretKey, base64.StdEncoding.EncodeToString([]byte(testAccessKey + ":" + testSecretKey)),
		secretCode, secretPrevious, secretAPIKey, secretPassword, url.QueryEscape(secretPassword), url.PathEscape(secretPassword),
		"-33dd", "pass/", "pass%2F", secretWrong,
	}
}

// giveSecrets gives the same secrets in one of the three forms: as lines of
// the environment, or in files of dir.
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

// TestSecretsStaySecret gives every secret in every form, to settings that are
// right, to settings that are wrong, and to a Redis that refuses the password.
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
			check          int
			serves         bool
		}{
			{"good", address(secretPassword), nil, 0, true},
			{"refused by Redis", address(secretWrong), nil, 1, true},
			{"wrong settings", address(secretPassword), []string{"CODE_LENGTH=0", "CODE_SECRET_PREVIOUS=" + secretCode}, 2, false},
			{"wrong URL", "redis://app:" + secretPassword + "@" + redis.Addr + "/0", nil, 2, false},
			{"a key in place of its hash", address(secretPassword), []string{"API_KEYS=shop:" + secretAPIKey}, 2, false},
		} {
			dir := t.TempDir()
			env := append([]string{
				"FLOWROUTE_NUMBER=" + testSender, "FLOWROUTE_BASE_URL=" + sim.URL, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0",
				"SHUTDOWN_DELAY=0s", "LOG_LEVEL=debug", fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(secretAPIKey))),
			}, append(giveSecrets(t, form, dir, c.redisURL), c.env...)...)
			checked, p := startIn(t, dir, env, "check"), startIn(t, dir, env)
			seen := ""
			if c.serves {
				seen = useSecretly(t, p, c.check == 0)
				p.signal(syscall.SIGTERM)
			}
			if status := p.exit(t, 10*time.Second); c.serves != (status == 0) {
				t.Errorf("%s, %s: serve: status %d", form, c.name, status)
			}
			if status := checked.exit(t, 10*time.Second); status != c.check {
				t.Errorf("%s, %s: check: status %d, want %d: %s", form, c.name, status, c.check, checked.stdout)
			}
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

// useSecretly calls a service with its API key and without, and returns all it
// has to say.
func useSecretly(t *testing.T, p *process, works bool) string {
	t.Helper()
	p.listening(t)
	eventually(t, 10*time.Second, "the service has tried Redis", func() bool {
		if works {
			return get(t, p.URL+"/readyz").status == 200
		}
		return strings.Contains(p.stderr.String(), "not ready")
	})
	made := create(t, p.URL, "a", "12065550142", "Authorization: Bearer "+secretAPIKey)
	if want := map[bool]int{true: 200, false: 503}[works]; made.status != want {
		t.Errorf("create: %d, want %d: %s", made.status, want, made.raw)
	}
	seen := made.raw
	for _, a := range []*answer{
		create(t, p.URL, "a", "12065550142", "Authorization: Bearer x"+secretAPIKey),
		get(t, p.Admin+"/metrics"), get(t, p.Admin+"/readyz"),
		get(t, p.Admin+"/debug/pprof/cmdline"), get(t, p.Admin+"/debug/pprof/goroutine?debug=2"),
	} {
		seen += a.raw + fmt.Sprint(a.header)
	}
	return seen
}

// TestMisplacedSecrets: what is in the wrong place may be a secret.
func TestMisplacedSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env         []string
		credentials string
	}{
		"in place of the file's name": {env: complete("CODE_SECRET_FILE=" + secretCode)},
		"beside the file":             {env: complete("CODE_SECRET="+secretCode, "CODE_SECRET_FILE="+secretPrevious)},
		"without its key":             {env: complete(), credentials: secretCode + "\n"},
		"as an alias":                 {env: complete(), credentials: "code_secret: *" + secretCode + "\n"},
		"in broken YAML":              {env: complete(), credentials: "code_secret: [" + secretCode + "\n\t" + secretPrevious},
		"as a list":                   {env: complete(), credentials: "code_secret: [" + secretCode + "]\n"},
		"as a number":                 {env: complete(), credentials: "code_secret: 111133331111\n"},
		"in the base URL":             {env: complete("FLOWROUTE_BASE_URL=https://" + secretCode + ":" + secretPrevious + "@192.0.2.1")},
		"as the scheme":               {env: complete("REDIS_URL=" + secretPrevious + "://" + secretCode)},
	} {
		for _, cmd := range []string{"serve", "check"} {
			p := startIn(t, dirWith(t, "credentials.yaml", c.credentials), c.env, cmd)
			if status := p.exit(t, 10*time.Second); status != 2 {
				t.Errorf("%s: %s: status %d", name, cmd, status)
			}
			for _, part := range append(secretParts(), "111133331111") {
				if strings.Contains(p.stdout.String()+p.stderr.String(), part) {
					t.Errorf("%s: %s shows %q: %s", name, cmd, part, p.stderr)
				}
			}
		}
	}
}
