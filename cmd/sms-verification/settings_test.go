package main

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// complete are settings that lack nothing.
func complete(extra ...string) []string {
	return append([]string{
		"FLOWROUTE_ACCESS_KEY=" + testAccessKey,
		"FLOWROUTE_SECRET_KEY=" + testSecretKey,
		"FLOWROUTE_NUMBER=" + testSender,
		"LISTEN_ADDR=127.0.0.1:0",
		"ADMIN_ADDR=off",
	}, extra...)
}

// TestEveryProblemAtOnce: what is wrong anywhere is said in one go.
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
		lines := strings.Split(strings.TrimSuffix(p.stderr.String(), "\n"), "\n")
		for _, key := range wrong {
			found := 0
			for _, line := range lines {
				if strings.HasPrefix(line, key+" ") || strings.HasPrefix(line, key+":") || strings.Contains(line, "unknown key "+key) {
					found++
				}
			}
			if found == 0 {
				t.Errorf("%v: nothing about %s", args, key)
			}
		}
		if len(lines) < len(wrong) || t.Failed() {
			t.Errorf("%v: %d problems, at least %d are there:\n%s", args, len(lines), len(wrong), p.stderr)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   []string
		files []string
		args  []string
		want  []string
	}{
		"nothing set":       {want: []string{"FLOWROUTE_ACCESS_KEY: is required", "FLOWROUTE_SECRET_KEY: is required", "FLOWROUTE_NUMBER: is required", "DEBUG_MODE=true"}},
		"unknown key":       {env: complete(), files: []string{"config.yaml", "code_size: 6\n"}, want: []string{"config.yaml line 1: unknown key code_size"}},
		"debug and Redis":   {env: debugEnvironment("REDIS_URL=redis://127.0.0.1:6379/0"), want: []string{"REDIS_URL", "DEBUG_MODE"}},
		"no such file":      {env: complete(), args: []string{"--config", "absent.yaml"}, want: []string{"absent.yaml", "no such file"}},
		"no such secret":    {env: complete("CODE_SECRET_FILE=absent"), want: []string{"CODE_SECRET", "CODE_SECRET_FILE", "no such file"}},
		"unknown groups":    {env: complete("ALLOWED_PREFIXES=us,narnia,oz", "BLOCKED_PREFIXES=utopia"), want: []string{"ALLOWED_PREFIXES", "narnia", "oz", "BLOCKED_PREFIXES", "utopia", "caribbean"}},
		"short secret":      {env: complete("CODE_SECRET=0123456789abcde"), want: []string{"CODE_SECRET (environment): is shorter than 16 bytes", "CODE_SECRET_PREVIOUS"}},
		"quoted secret":     {env: complete(`CODE_SECRET="0123456789abcdef"`), want: []string{"CODE_SECRET (environment): is in quotes", "remove the quotes"}},
		"version in URL":    {env: complete("FLOWROUTE_BASE_URL=https://api.flowroute.com/v2.1"), want: []string{"FLOWROUTE_BASE_URL", "write https://api.flowroute.com"}},
		"limit too large":   {env: complete("SEND_LIMITS=10001/24h", "GUESS_LIMITS=10001/24h"), want: []string{"SEND_LIMITS", "GUESS_LIMITS", "write at most 10000/24h"}},
		"two passwords":     {env: complete("REDIS_URL=redis://:a@127.0.0.1", "REDIS_PASSWORD=b"), want: []string{"REDIS_URL (environment): has a password, and so has REDIS_PASSWORD"}},
		"unquoted colon":    {env: complete(), files: []string{"config.yaml", "code_length: 6\nauth_message: Code: {code}\n"}, want: []string{"config.yaml line 2", "auth_message has a colon", "in quotes"}},
		"profiles":          {env: complete("PROFILES={login: {code_length: 0, callers: [nobody]}}"), want: []string{"profiles.login.code_length (environment)", "profiles.login.callers (environment)"}},
		"timeouts":          {env: complete("SHUTDOWN_TIMEOUT=11s"), want: []string{"SHUTDOWN_TIMEOUT", "at least 12s"}},
		"URL and more":      {env: complete("REDIS_URL=redis://127.0.0.1/0?bogus=1", "CODE_LENGTH=0"), want: []string{"REDIS_URL (environment): is not a usable address", "CODE_LENGTH"}},
		"sentinel, no name": {env: complete("REDIS_MODE=sentinel", "REDIS_URL=redis://127.0.0.1:1"), want: []string{"REDIS_URL", "master_name"}},
	} {
		for _, cmd := range []string{"serve", "check"} {
			p := startIn(t, dirWith(t, c.files...), c.env, append([]string{cmd}, c.args...)...)
			if status := p.exit(t, 10*time.Second); status != 2 || p.stdout.String() != "" {
				t.Errorf("%s: %s: status %d, stdout %q", name, cmd, status, p.stdout)
			}
			contains(t, name, p.stderr.String(), c.want...)
		}
	}
}

// TestBadRedisURL: no part of the URL is shown, since any may be a part of the
// password.
func TestBadRedisURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://tiger:hyena@zebra:6379/0", "tiger:hyena@zebra:6379", "redis://tiger:hye/na@zebra:6379/0", "redis://tiger:hye#na@zebra:6379/0",
		"redis://tiger:hye?na@zebra:6379/0", "redis://tiger:hyena@zebra:6379/sheep", "redis://tiger:hyena@zebra:6379/0?sheep=hyena",
		"redis://tiger:hye%zzna@zebra", "redis://tiger:hyena@zebra:sheep", "redis://tiger:hyena@zebra/0?dial_timeout=sheep",
		"redis:tiger:hyena", "redis://tiger:hye na@zebra", "redis://[tiger", "unix://tiger:hyena@?db=sheep",
	} {
		for _, cmd := range []string{"serve", "check"} {
			status, out, errOut := command(t, complete("REDIS_URL="+url), cmd)
			if status != 2 || out != "" {
				t.Errorf("%s with %s: status %d, stdout %q", cmd, url, status, out)
			}
			contains(t, url, errOut, "REDIS_URL")
			for _, part := range []string{"tiger", "hye", "na@", "zebra", "sheep"} {
				if strings.Contains(errOut, part) {
					t.Errorf("%s with %s shows %q: %s", cmd, url, part, errOut)
				}
			}
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
		status, out, errOut := command(t, debugEnvironment(key+"="+taken.Addr().String()))
		if status != 1 || out != "" {
			t.Errorf("%s in use: status %d, stdout %q", key, status, out)
		}
		contains(t, key+" in use", errOut, key, taken.Addr().String(), "address already in use")
	}
}

// TestServeIsTheDefault: no command and serve are the same, flags included.
func TestServeIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--code-length", "7", "--debug-mode"}, {"serve", "--code-length=7", "--debug-mode"}, {"--debug-mode", "--code-length", "7", "serve"}} {
		p := serveReady(t, []string{"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}, args...)
		create(t, p.URL, "a", "12065550142")
		if code := codeShown(t, p, 1); len(code) != 7 {
			t.Errorf("%v: code %s", args, code)
		}
		p.signal(syscall.SIGTERM)
		if status := p.exit(t, 5*time.Second); status != 0 {
			t.Errorf("%v: exit status %d", args, status)
		}
	}
}

// TestPrecedence: each source covers those before it.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	dir := dirWith(t,
		"config.yaml", "debug_mode: true\ncode_length: 5\ncode_expiration: 100\nretries_allowed: 5\norg_name: config\n",
		"credentials.yaml", "code_expiration: 200\nretries_allowed: 6\norg_name: credentials\n")
	p := startIn(t, dir, []string{"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=off", "RETRIES_ALLOWED=7", "ORG_NAME=environment"}, "--org-name", "flag")
	p.listening(t)
	eventually(t, 5*time.Second, "ready", func() bool { return get(t, p.URL+"/readyz").status == 200 })
	a := create(t, p.URL, "a", "12065550142")
	if a.body.ExpiresIn != 200 || *a.body.AttemptsLeft != 7 {
		t.Errorf("want 200 seconds from credentials.yaml and 7 attempts from the environment: %s", a.raw)
	}
	if code := codeShown(t, p, 1); len(code) != 5 {
		t.Errorf("want five digits from config.yaml, got %s", code)
	}
	eventually(t, time.Second, "the name from the flag", func() bool { return strings.Contains(p.stdout.String(), "Welcome to flag!") })
}
