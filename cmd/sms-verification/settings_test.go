package main

import (
	"regexp"
	"strings"
	"testing"
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

// TestEveryProblemAtOnce: check and serve report the problems of every source of
// settings at once, on stderr, and exit with 2.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	dir := dirWith(t, "config.yaml", "org_nam: Example\ncode_expiration: 0\n", "credentials.yaml", "flowroute_secret_key: 123\n")
	env := []string{"CODE_LENGTH=0", "API_KEYS=shop", "REDIS_URL=http://127.0.0.1", "CODE_SECRET=a", "CODE_SECRET_FILE=b"}
	for _, cmd := range []string{"serve", "check", ""} {
		p := startIn(t, dir, env, strings.Fields(cmd+" --redis-mode=none --log-level loud")...)
		if p.exits(t, 2); p.stdout.String() != "" {
			t.Errorf("%s: stdout %q", cmd, p.stdout)
		}
		for _, key := range []string{
			"org_nam", "CODE_EXPIRATION", "FLOWROUTE_SECRET_KEY", "FLOWROUTE_ACCESS_KEY", "CODE_LENGTH", "API_KEYS", "REDIS_URL", "CODE_SECRET", "REDIS_MODE", "LOG_LEVEL",
		} {
			if !regexp.MustCompile(`(?m)^(.*unknown key )?` + key + `\b`).MatchString(p.stderr.String()) {
				t.Errorf("%s: nothing about %s:\n%s", cmd, key, p.stderr)
			}
		}
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken := silent(t)
	for _, key := range []string{"LISTEN_ADDR", "ADMIN_ADDR"} {
		contains(t, key+" in use", refuses(t, 1, debugEnvironment(key+"="+taken)), key, taken, "address already in use")
	}
}

// TestServeIsTheDefault: without a command the program serves, with the same flags. In
// debug mode the SMS is on stdout, and nothing of it in the log.
func TestServeIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--code-length", "7", "--debug-mode"}, {"serve", "--code-length=7", "--debug-mode"}, {"--debug-mode", "--code-length", "7", "serve"}} {
		p := serveReady(t, []string{"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}, args...)
		create(t, p.URL, "a", anyone)
		code := codeShown(t, p, 1)
		if len(code) != 7 {
			t.Errorf("%v: code %s", args, code)
		}
		p.stop(t, 0)
		lacks(t, "the log", p.stderr.String(), "SMS to", anyone, code)
	}
}
