package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// hostile is an environment with which no service starts.
func hostile() []string {
	return []string{
		"DEBUG_MODE=false", "REDIS_URL=redis://127.0.0.1:1/0", "CODE_LENGTH=none", "LOG_LEVEL=loud", "LISTEN_ADDR=nowhere",
		"API_KEYS=nobody", "FLOWROUTE_SECRET_KEY_FILE=/nonexistent", "FLOWROUTE_BASE_URL=http://192.0.2.1",
		"HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1",
	}
}

func hostileDir(t *testing.T) string {
	return dirWith(t, "config.yaml", "code_length: [broken\n\t:", "credentials.yaml", "no mapping")
}

func TestDemo(t *testing.T) {
	t.Parallel()
	p := startIn(t, hostileDir(t), hostile(), "demo")
	if p.exits(t, 0); p.stderr.String() != "" {
		t.Errorf("stderr: %s", p.stderr)
	}
	out := p.stdout.String()
	sms := regexp.MustCompile(`│ ([0-9]{4}) +│`).FindStringSubmatch(out)
	if sms == nil {
		t.Fatalf("no code on the phone:\n%s", out)
	}
	rest := out
	for _, step := range []string{
		"# The application asks for a code",
		"$ curl http://127.0.0.1:", `-d '{"auth_id": "signup-1", "recipient": "12065550142"}'`,
		"SMS to +12065550142", "Example Shop",
		`200 {"message":"Success: Verification code created."`,
		"# The person mistypes it", "/verify", fmt.Sprintf(`"code": "%s"`, otherCode(sms[1])),
		`400 {"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":2}`,
		"# Then the person types it correctly", "/verify", fmt.Sprintf(`"code": "%s", "recipient": "12065550142"`, sms[1]),
		`200 {"authenticated":true`,
		"# A code works once", "/verify", fmt.Sprintf(`"code": "%s", "recipient": "12065550142"`, sms[1]),
		`400 {"message":"Unknown auth id","reason":"UnknownAuthId","attempts_left":0}`,
	} {
		_, after, found := strings.Cut(rest, step)
		if !found {
			t.Fatalf("%q is not there, or not in this order:\n%s", step, out)
		}
		rest = after
	}
}

// TestDemoUnseen: a demo whose output cannot be written fails.
func TestDemoUnseen(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer func() { _ = full.Close() }()
	p := prepare(t.TempDir(), nil, "demo")
	p.cmd.Stdout = full
	p.start(t)
	p.exits(t, 1)
}

func TestDemoKeep(t *testing.T) {
	t.Parallel()
	p := startIn(t, hostileDir(t), hostile(), "demo", "--keep")
	url := ""
	codestest.Await(t, 10*time.Second, "the demo says where it keeps running", func() bool {
		if found := regexp.MustCompile(`keeps running at (http://127\.0\.0\.1:\d+) `).FindStringSubmatch(p.stdout.String()); found != nil {
			url = found[1]
		}
		return url != ""
	})
	create(t, url, "kept", "12065550199").want(t, 200, "")
	codestest.Await(t, time.Second, "its SMS", func() bool { return strings.Contains(p.stdout.String(), "SMS to +12065550199") })
	p.stop(t, 0)
}

// TestVersion: the program and its image have the version of the newest release in the
// changelog.
func TestVersion(t *testing.T) {
	t.Parallel()
	read := func(file, pattern string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("%s has no version", file)
		}
		return found[1]
	}
	want := read("../../CHANGELOG.md", `^## \[(\d+\.\d+\.\d+)\]`)
	out := succeeds(t, hostile(), "version")
	if !regexp.MustCompile(`^sms-verification ` + regexp.QuoteMeta(want) + ` \(commit \S+, go1\.\S+\)\n$`).MatchString(out) {
		t.Errorf("version prints %q, want %s", out, want)
	}
	if image := read("../../Dockerfile", `^ARG VERSION=(.*)$`); image != want {
		t.Errorf("the image has version %s, want %s", image, want)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"bogus":                      `unknown command "bogus"`,
		"serve surplus":              `unknown command "surplus"`,
		"check surplus":              `unknown command "surplus"`,
		"flowroute-sim surplus":      `unknown command "surplus"`,
		"serve --bogus":              "unknown flag: --bogus",
		"serve --redis-url=redis://": "unknown flag: --redis-url", // secrets have no flag
		"demo --org-name x":          "unknown flag: --org-name",
		"serve --code-length":        "flag needs an argument",
		"flowroute-sim --rate many":  "invalid argument",
		"help keys bogus":            `unknown command "bogus"`,
		"completion":                 "bash, zsh, fish or powershell",
		"completion bash surplus":    `unknown command "surplus"`,
		"send only-id":               "accepts 2 arg(s), received 1; write sms-verification send AUTH_ID RECIPIENT",
		"verify a 1 surplus":         "accepts 2 arg(s), received 3",
		"send a 1 --endpoint ftp://": "endpoint",
		"top ftp://127.0.0.1":        "host:port",
		"limits":                     "accepts 1 arg(s), received 0; write sms-verification limits NUMBER",
		"limits 2065550142":          "NUMBER must be 1 and ten digits",
		"keys":                       "keys new NAME",
		"keys bogus":                 `unknown command "bogus"`,
		"keys new a b":               "accepts 1 arg(s), received 2",
		"keys new bad:name":          "NAME must be 1 to 64",
	} {
		contains(t, args, refuses(t, 2, nil, strings.Fields(args)...), want, "sms-verification --help")
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	contains(t, "help", succeeds(t, nil, "--help"),
		"serve", "demo", "check", "limits", "send", "verify", "top", "flowroute-sim", "keys", "version", "--code-length")
}

// newKey runs keys new.
func newKey(t *testing.T, name string) (key, line string) {
	t.Helper()
	out := succeeds(t, nil, "keys", "new", name)
	found := regexp.MustCompile(`\n(smsv[a-z0-9]{52})\n\n.*\n(` + name + `:[0-9a-f]{64})\n$`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("keys new: %q", out)
	}
	return found[1], found[2]
}

func TestKeysNew(t *testing.T) {
	t.Parallel()
	key, line := newKey(t, "shop.web-1")
	if want := fmt.Sprintf("shop.web-1:%x", sha256.Sum256([]byte(key))); line != want {
		t.Errorf("line %s, want %s", line, want)
	}
	if other, _ := newKey(t, "shop.web-1"); other == key {
		t.Error("the same key twice")
	}
	for _, name := range []string{"", "a b", "ü", strings.Repeat("n", 65)} {
		contains(t, "keys new "+name, refuses(t, 2, nil, "keys", "new", name), "NAME must be 1 to 64")
	}
}

// codeShown waits for the nth SMS on a process's stdout and returns its code.
func codeShown(t *testing.T, p *process, nth int) (code string) {
	t.Helper()
	codestest.Await(t, time.Second, "the SMS is shown", func() bool {
		views := strings.Split(p.stdout.String(), "SMS to +")
		if len(views) > nth {
			code = firstDigits("SMS to +" + views[nth])
		}
		return code != ""
	})
	return code
}

// TestSendAndVerify calls a service from the shell.
func TestSendAndVerify(t *testing.T) {
	t.Parallel()
	key, line := newKey(t, "shell")
	p := serve(t, debugEnvironment(profilesSetting, keysOf("shop", "bank")+","+line))
	withKey := append(hostile(), "SMS_VERIFICATION_API_KEY="+key)
	run := func(want int, args ...string) (out, errOut string) {
		t.Helper()
		return command(t, want, withKey, append(args, "--endpoint", p.URL)...)
	}

	out, _ := run(0, "send", "signup-1", "12065550142")
	contains(t, "send", out, "valid for 1h0m0s", "3 wrong attempts", "verify --endpoint "+p.URL+" signup-1 CODE")
	code := codeShown(t, p, 1)
	_, errOut := run(1, "verify", "signup-1", otherCode(code))
	contains(t, "a wrong code", errOut, "wrong code", "2 attempts left")
	lacks(t, "a wrong code", errOut, "new code") // while attempts are left
	out, _ = run(1, "verify", "signup-1", otherCode(code), "--json")
	contains(t, "a wrong code as JSON", out, `"reason":"InvalidAuthCode"`, `"status":400`, `"attempts_left":1`)
	out, _ = run(0, "verify", "signup-1", code)
	contains(t, "the right code", out, "Right")
	_, errOut = run(1, "verify", "signup-1", code)
	contains(t, "an unknown id", errOut, "unknown auth_id")
	out, _ = run(0, "send", "a<b", "+12065550142", "--json")
	if want := `{"attempts_left":3,"auth_id":"a<b","expires_in":3600,"resend_after":0}` + "\n"; out != want {
		t.Errorf("send as JSON: %s", out)
	}
	out, _ = run(0, "verify", "a<b", codeShown(t, p, 2), "--json")
	if want := `{"auth_id":"a<b","authenticated":true}` + "\n"; out != want {
		t.Errorf("verify as JSON: %s", out)
	}
	out, _ = run(0, "send", "login-1", anyone, "--profile", "login", "--locale", "es-MX")
	contains(t, "send under a profile", out, "valid for 10m0s", "Next: sms-verification verify --endpoint "+p.URL+" --profile login login-1 CODE")
	run(0, "verify", "login-1", codeShown(t, p, 3), "--profile", "login")
	_, errOut = run(1, "send", "a", anyone, "--profile", "payout")
	contains(t, "a profile of another caller", errOut, "profile not allowed", "add this key's name to the callers of profile payout")

	errOut = refuses(t, 2, []string{"SMS_VERIFICATION_API_KEY=" + key + "\n"}, "send", "signup-3", "12065550142")
	contains(t, "a key with a line break", errOut, "API key", "line break")
	lacks(t, "a key with a line break", errOut, key)
	p.stop(t, 0)
	for _, args := range [][]string{{"send", "signup-4", "12065550142"}, {"verify", "signup-4", "1234"}} {
		_, errOut = run(1, args...)
		contains(t, "no service", errOut, "connection refused", strings.TrimPrefix(p.URL, "http://"))
	}
}

func TestFlowrouteSim(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t)
	keys := []string{"FLOWROUTE_ACCESS_KEY=" + testAccessKey, "FLOWROUTE_SECRET_KEY=" + testSecretKey}
	sim := start(t, keys, "flowroute-sim", "--listen", "127.0.0.1:0", "--show", "--rate", "0")
	url := ""
	codestest.Await(t, 10*time.Second, "the simulator listens", func() bool {
		_, after, found := strings.Cut(sim.stderr.String(), "Flowroute simulator on ")
		url = strings.TrimSpace(after)
		return found && url != ""
	})
	p := serveReady(t, environment(redis, &flowroutetest.Server{URL: url}))
	create(t, p.URL, "staged", "12065550142").want(t, 200, "")
	var kept struct {
		Accepted int
		Messages []struct{ To, From, Body string }
	}
	if err := json.Unmarshal([]byte(get(t, url+"/_sim/messages?to=12065550142").raw), &kept); err != nil || len(kept.Messages) != 1 || kept.Accepted != 1 {
		t.Fatalf("messages: %+v, %v", kept, err)
	}
	m := kept.Messages[0]
	code, _, _ := strings.Cut(m.Body, "\n")
	verify(t, p.URL, "staged", code).want(t, 200, "")
	if m.To != "12065550142" || m.From != testSender {
		t.Errorf("from %s to %s", m.From, m.To)
	}
	if shown := codeShown(t, sim, 1); shown != code {
		t.Errorf("the message is shown with code %s, sent with %s", shown, code)
	}
	sim.stop(t, 0)
}

func TestFlowrouteSimRefuses(t *testing.T) {
	t.Parallel()
	keys := []string{"FLOWROUTE_ACCESS_KEY=" + testAccessKey, "FLOWROUTE_SECRET_KEY=" + testSecretKey}
	for _, c := range []struct {
		env  []string
		args string
		want string
	}{
		{keys[:1], "--rate 0", "FLOWROUTE_SECRET_KEY"},
		{keys[1:], "--rate 0", "FLOWROUTE_ACCESS_KEY"},
		{append(keys[:1:1], "FLOWROUTE_SECRET_KEY_FILE=absent"), "--rate 0", "no such file"}, // it reads such files
		{keys, "--rate -1", "--rate"},
		{keys, "--number 12", "--number"},
		{keys, "--listen bogus", "--listen"},
		{keys, "--listen 127.0.0.1:99999", "--listen"},
	} {
		contains(t, c.args, refuses(t, 2, c.env, append([]string{"flowroute-sim", "--listen", "127.0.0.1:0"}, strings.Fields(c.args)...)...), c.want)
	}
}
