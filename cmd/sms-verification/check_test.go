package main

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// recommended are settings that follow the standards.
func recommended() []string {
	return []string{
		"CODE_LENGTH=6", "CODE_EXPIRATION=600", "RETRIES_ALLOWED=5", "SEND_LIMITS=5/10m,20/24h", "GUESS_LIMITS=20/24h",
		"ALLOWED_PREFIXES=us,ca", "API_KEYS=shop:" + strings.Repeat("0a", 32), "CODE_SECRET=0123456789abcdef0123456789abcdef",
	}
}

// TestCheck: check reports the settings and the warnings of Redis, and calls Redis but not
// Flowroute. TestReport has the rest of the report.
func TestCheck(t *testing.T) {
	t.Parallel()
	sim := startSimulator(t, flowroutetest.Options{})
	const rdb = "snapshots without an append-only file"
	out := succeeds(t, environment(redistest.Server(t), sim, "SEND_LIMITS=5/10m,20/24h", "GUESS_LIMITS=20/24h"), "check")
	contains(t, "check", out, "Settings: fine", "Message: 1 segment(s), ASCII", "4 digit(s), 3 wrong codes per entry, at most 80 compared",
		"Redis: reached", "at least six digits", "at most ten minutes", "API_KEYS is empty", "ALLOWED_PREFIXES is empty")
	lacks(t, "check", out, rdb, "CANNOT", "100 failures", "GUESS_LIMITS", "SEND_LIMITS")
	out = succeeds(t, environment(redistest.Server(t, "save 3600 1"), sim, recommended()...), "check")
	contains(t, "with snapshots", out, "Redis: reached", "Warning: ", rdb)
	lacks(t, "with recommended settings", out, "NIST")
	if n := sim.Requests(); n != (flowroutetest.Counts{}) {
		t.Errorf("Flowroute was called: %+v", n)
	}
}

// documentedUser returns the line of redis.conf for the user smsv, with the
// permissions that the documentation of package redisstore lists.
func documentedUser(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../redisstore/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(strings.ReplaceAll(string(doc), "\n//", "\n"), "ACL SETUSER smsv ")
	rules, _, _ := strings.Cut(rest, "\n\n")
	if !strings.Contains(rules, "+evalsha") {
		t.Fatalf("no permissions in doc.go: %q", rules)
	}
	return "user smsv " + strings.Join(strings.Fields(rules), " ")
}

// asDocumentedUser are the settings of a service that connects as documentedUser.
func asDocumentedUser(redis *redistest.Instance) []string {
	return []string{"REDIS_URL=" + strings.Replace(redis.URL, "://", "://smsv:password@", 1), "REDIS_KEY_PREFIX=smsv:"}
}

// TestCheckUnusableRedis: check says once and within seconds why Redis cannot be used.
func TestCheckUnusableRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, documentedUser(t)+" -zadd")
	for why, url := range map[string]string{
		"connection refused":     "redis://127.0.0.1:1",
		"i/o timeout":            "redis://" + silent(t),
		"TLS got no answer":      "rediss://" + redis.Addr,
		"WRONGPASS":              "redis://nobody:pw@" + redis.Addr,
		"can't run this command": "redis://smsv:password@" + redis.Addr,
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			out, errOut := command(t, 1, complete("REDIS_URL="+url), "check")
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			contains(t, "stdout", out, "Settings: fine", "Redis: CANNOT BE USED")
			contains(t, "stderr", errOut, "Redis cannot be used; see REDIS_URL", "permissions of its user")
			if n := strings.Count(out+errOut, why); n != 1 {
				t.Errorf("said %d times: %s\n%s%s", n, why, out, errOut)
			}
		})
	}
}

// TestCheckStrict: with --strict a warning fails the check.
func TestCheckStrict(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	warned := append(recommended(), "TRUSTED_PROXIES=10.0.0.0/8,::/0")
	for _, c := range []struct {
		env    []string
		args   string
		status int
	}{{recommended(), "check --strict", 0}, {warned, "check", 0}, {warned, "check --strict", 1}, {warned, "check --strict --json", 1}} {
		out, errOut := command(t, c.status, environment(redis, sim, c.env...), strings.Fields(c.args)...)
		if strings.Contains(out, "TRUSTED_PROXIES has ::/0") != (len(c.env) > len(recommended())) || strings.Contains(errOut, "check: 1 warning(s), and --strict allows none") != (c.status == 1) {
			t.Errorf("%s: stderr %q, stdout %s", c.args, errOut, out)
		}
	}
}

// TestServeWarnsAsCheckDoes: serve logs each warning that check prints, those of
// the settings and those of files that are not read.
func TestServeWarnsAsCheckDoes(t *testing.T) {
	t.Parallel()
	dir := dirWith(t, "config.yml", "code_length: 6\n", "credentials.yml", "")
	env := complete("REDIS_URL=rediss://127.0.0.1:1/0?skip_verify=true", "TRUSTED_PROXIES=0.0.0.0/0", "SHUTDOWN_DELAY=0s", "RETRIES_ALLOWED=101",
		"ORG_NAME='quoted'", "AUTH_MESSAGE={code} lasts {minute} minutes")
	checked, p := startIn(t, dir, env, "check"), startIn(t, dir, env)
	checked.exits(t, 1)
	p.listening(t)
	out := checked.stdout.String()
	contains(t, "check", out, "config.yml is not read", "credentials.yml is not read", "TRUSTED_PROXIES has 0.0.0.0/0", "REDIS_URL has skip_verify=true",
		"AUTH_MESSAGE: {minute} is no placeholder")
	found := 0
	for line := range strings.Lines(out) {
		if warning, ok := strings.CutPrefix(strings.TrimSpace(line), "Warning: "); ok {
			found++
			contains(t, "the log", p.stderr.String(), `"level":"WARN","msg":"`+warning)
		}
	}
	if found < 10 {
		t.Errorf("check prints %d warnings:\n%s", found, out)
	}
}

// TestHostedRedis: a Redis with TLS, a user, a private authority, and a demand for
// a client certificate.
func TestHostedRedis(t *testing.T) {
	t.Parallel()
	ca, sim := redistest.NewAuthority(t), startSimulator(t, flowroutetest.Options{})
	_, port, _ := net.SplitHostPort(codestest.FreeAddr(t))
	redis := redistest.Server(t, "tls-port "+port, "tls-auth-clients yes", "tls-cert-file "+ca.CertFile, "tls-key-file "+ca.KeyFile, "tls-ca-cert-file "+ca.File,
		`user app on ">`+secretPassword+`" ~* &* +@all`)
	password := dirWith(t, "password", secretPassword+"\n") + "/password"
	env := environment(redis, sim, "REDIS_URL=rediss://127.0.0.1:"+port, "REDIS_USERNAME=app", "REDIS_PASSWORD_FILE="+password,
		"REDIS_TLS_CA="+ca.File, "REDIS_TLS_CERT="+ca.CertFile, "REDIS_TLS_KEY="+ca.KeyFile)
	p := serveReady(t, env)
	verify(t, p.URL, "a", sendCode(t, sim, p.URL, "a", anyone)).want(t, 200, "")
	out, _ := command(t, 1, append(env, "REDIS_TLS_CERT=", "REDIS_TLS_KEY="), "check")
	contains(t, "without a client certificate", out, "CANNOT BE USED", "certificate")
}
