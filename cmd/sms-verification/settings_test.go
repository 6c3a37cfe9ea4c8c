package main

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// complete are settings with which a service starts.
func complete(extra ...string) []string {
	return append([]string{
		"FLOWROUTE_ACCESS_KEY=" + testAccessKey,
		"FLOWROUTE_SECRET_KEY=" + testSecretKey,
		"FLOWROUTE_NUMBER=" + testSender,
		"LISTEN_ADDR=127.0.0.1:0",
		"ADMIN_ADDR=off",
	}, extra...)
}

// TestEveryProblemAtOnce: check and serve report every problem of the settings on
// stderr, and exit with 2.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	dir := dirWith(t,
		"config.yaml", "org_nam: Example\ncode_expiration: 0\nflowroute_number: 12065550100\nsend_limits: 5\nsend_limits: 6\n",
		"credentials.yaml", "flowroute_secret_key: 123\n")
	env := []string{
		"CODE_LENGTH=0", "FLOWROUTE_TIMEOUT=10", "RETRIES_ALLOWED=many", "API_KEYS=shop", "AUTH_MESSAGE=Hello",
		"REDIS_URL=http://127.0.0.1", "CODE_SECRET=a", "CODE_SECRET_FILE=b", "FLOWROUTE_BASE_URL=http://192.0.2.1",
	}
	wrong := []string{
		"org_nam", "CODE_EXPIRATION", "FLOWROUTE_NUMBER", "SEND_LIMITS", "FLOWROUTE_SECRET_KEY", "FLOWROUTE_ACCESS_KEY",
		"CODE_LENGTH", "FLOWROUTE_TIMEOUT", "RETRIES_ALLOWED", "API_KEYS", "AUTH_MESSAGE", "REDIS_URL", "CODE_SECRET",
		"FLOWROUTE_BASE_URL", "REDIS_MODE", "LOG_LEVEL", "BLOCKED_PREFIXES",
	}
	for _, cmd := range []string{"serve", "check", ""} {
		args := strings.Fields(cmd + " --redis-mode=none --log-level loud --blocked-prefixes narnia")
		p := startIn(t, dir, env, args...)
		if status := p.exit(t, 10*time.Second); status != 2 || p.stdout.String() != "" {
			t.Errorf("%v: status %d, stdout %q", args, status, p.stdout)
		}
		for _, key := range wrong {
			if !regexp.MustCompile(`(?m)^(.*unknown key )?` + key + `\b`).MatchString(p.stderr.String()) {
				t.Errorf("%v: nothing about %s", args, key)
			}
		}
		if lines := strings.Count(p.stderr.String(), "\n"); lines < len(wrong) || t.Failed() {
			t.Errorf("%v: %d problems, want at least %d:\n%s", args, lines, len(wrong), p.stderr)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, key := range []string{"LISTEN_ADDR", "ADMIN_ADDR"} {
		contains(t, key+" in use", refuses(t, 1, debugEnvironment(key+"="+taken.Addr().String())), key, taken.Addr().String(), "address already in use")
	}
}

// TestServeIsTheDefault: without a command the program serves, with the same flags.
func TestServeIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--code-length", "7", "--debug-mode"}, {"serve", "--code-length=7", "--debug-mode"}, {"--debug-mode", "--code-length", "7", "serve"}} {
		p := serveReady(t, []string{"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}, args...)
		create(t, p.URL, "a", "12065550142")
		if code := codeShown(t, p, 1); len(code) != 7 {
			t.Errorf("%v: code %s", args, code)
		}
		p.stop(t, 0)
	}
}
