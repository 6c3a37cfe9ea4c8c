package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// terminal is a program on a pseudo terminal.
type terminal struct {
	*process
	screen *codestest.Output
	keys   io.Writer
}

// openTerminal opens a pseudo terminal: its screen and keyboard, and the side of the
// program.
func openTerminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	t.Cleanup(func() { _, _ = screen.Close(), tty.Close() })
	return screen, tty
}

// atTerminal starts a program whose streams are a pseudo terminal.
func atTerminal(t *testing.T, screen *os.File, p *process) *terminal {
	t.Helper()
	p.start(t)
	x := &terminal{process: p, screen: &codestest.Output{}, keys: screen}
	go func() { _, _ = io.Copy(x.screen, screen) }() // ends with the terminal
	return x
}

// asking starts a command that may ask for its arguments. Its stdout is captured as
// in $(…).
func asking(t *testing.T, args ...string) *terminal {
	t.Helper()
	screen, tty := openTerminal(t)
	p := prepare(t.TempDir(), nil, args...)
	p.cmd.Stdin, p.cmd.Stderr = tty, tty
	return atTerminal(t, screen, p)
}

// answer waits for a question and types.
func (x *terminal) answer(t *testing.T, question, text string) {
	t.Helper()
	codestest.Await(t, 10*time.Second, question, func() bool { return strings.Contains(x.screen.String(), question) })
	_, _ = io.WriteString(x.keys, text)
}

// TestAskedAtATerminal: send and verify ask for the arguments that are missing.
func TestAskedAtATerminal(t *testing.T) {
	t.Parallel()
	p := serve(t, debugEnvironment())
	send := asking(t, "send", "--json", "--endpoint", p.URL)
	send.answer(t, "AUTH_ID", "signup-1\n")
	send.answer(t, "RECIPIENT", "12065550142\n")
	if status := send.exit(t, 10*time.Second); status != 0 || !strings.Contains(send.stdout.String(), `"auth_id":"signup-1"`) {
		t.Errorf("send: status %d, stdout %q, screen %q", status, send.stdout, send.screen)
	}
	if out := send.stdout.String(); strings.Contains(out, "AUTH_ID") {
		t.Errorf("a question in the answer: %q", out)
	}
	verify := asking(t, "verify", "signup-1", "--endpoint", p.URL)
	verify.answer(t, "CODE", codeShown(t, p, 1)+"\n")
	if status := verify.exit(t, 10*time.Second); status != 0 || strings.Contains(verify.screen.String(), "AUTH_ID") {
		t.Errorf("verify: status %d, screen %q", status, verify.screen)
	}
	for what, keys := range map[string]string{"an empty line": "\n", "the end": "\x04"} {
		x := asking(t, "send", "--endpoint", p.URL)
		x.answer(t, "AUTH_ID", keys)
		if status := x.exit(t, 10*time.Second); status != 2 {
			t.Errorf("%s: status %d", what, status)
		}
		codestest.Await(t, time.Second, "what to write", func() bool { return strings.Contains(x.screen.String(), "send AUTH_ID RECIPIENT") })
	}
}

// TestErrorsSayWhatToDo: each refusal names the next step.
func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	_, line := newKey(t, "shop")
	p, closed := serve(t, debugEnvironment("BLOCKED_PREFIXES=premium", "SEND_LIMITS=1/1h")), serve(t, debugEnvironment("API_KEYS="+line))
	for args, want := range map[string]string{
		"verify never 1234 --endpoint " + p.URL:                   "Request a new code: sms-verification send",
		"send a 19005550142 --endpoint " + p.URL:                  "ALLOWED_PREFIXES and BLOCKED_PREFIXES",
		"send a 15005550422 --endpoint " + p.URL:                  "Check the number",
		"send a 2065550142 --endpoint " + p.URL:                   "recipient must be 1 and ten digits",
		"verify a 12a4 --endpoint " + p.URL:                       "code must be digits",
		"send a 12065550142 --endpoint " + closed.URL:             "no or wrong API key\nSet SMS_VERIFICATION_API_KEY",
		"send a 12065550142 --profile none --endpoint " + p.URL:   "The service's setting PROFILES",
		"send a 12065550142 --locale no_ --endpoint " + p.URL:     "locale must be a BCP 47 language tag",
		"verify a 1 --profile none --endpoint " + p.URL:           "--profile names one",
		"send a 12065550142 --endpoint " + p.URL + "/sms":         "--endpoint names another",
		"send a 12065550142 --endpoint http://127.0.0.1:1":        "Is the service running there?",
		"send a 12065550142 --json --endpoint http://127.0.0.1:1": "DEBUG_MODE=true",
	} {
		out, errOut := command(t, 1, nil, strings.Fields(args)...)
		contains(t, args, errOut, want)
		if isJSON := strings.Contains(args, "--json"); isJSON != json.Valid([]byte(out)) {
			t.Errorf("%s: stdout %q", args, out)
		}
	}
	create(t, p.URL, "a", anyone)
	out, _ := command(t, 1, nil, "send", "a", anyone, "--client", "192.0.2.1", "--json", "--endpoint", p.URL)
	contains(t, "a limit as JSON", out, `"limit":"SEND_LIMITS 1/1h"`, `"retry_after":3600`, `"reason":"RateLimited"`, `"status":429`, `"request_id":"`)
	contains(t, "the log of a send with --client", p.stderr.String(), `"client":"`)
}

// TestFirstRun: without any setting the program points at the demo and debug mode.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"serve"}, {"check"}} {
		errOut := refuses(t, 2, nil, args...)
		contains(t, "the first run", errOut, "FLOWROUTE_ACCESS_KEY: is required", "FLOWROUTE_SECRET_KEY: is required", "FLOWROUTE_NUMBER: is required",
			"sms-verification demo", "DEBUG_MODE=true sms-verification", "without an account")
		if n := strings.Count(errOut, "sms-verification demo"); n != 1 {
			t.Errorf("%v: said %d times:\n%s", args, n, errOut)
		}
	}
	if errOut := refuses(t, 2, complete("CODE_LENGTH=0"), "check"); strings.Contains(errOut, "demo") {
		t.Errorf("the demo is suggested for a mistake:\n%s", errOut)
	}
}

// TestCompletion: each shell accepts its script, and the program completes words.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := succeeds(t, nil, "completion", shell)
		contains(t, shell, script, "sms-verification")
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		check := exec.Command(shell, "-n")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s does not accept its script: %v\n%s", shell, err, out)
		}
	}
	for words, want := range map[string]string{"": "flowroute-sim", "se": "serve", "serve --code-": "--code-length", "li": "limits", "limits --cl": "--clear", "keys ": "new"} {
		out, _ := command(t, 0, nil, append([]string{"__complete"}, strings.Split(words, " ")...)...)
		contains(t, "completion of "+words, out, want)
	}
}

// TestCheckJSON: check --json prints one object, whatever is wrong.
func TestCheckJSON(t *testing.T) {
	t.Parallel()
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	for _, c := range []struct {
		env    []string
		status int
		want   []string
	}{
		{environment(redis, sim, append(recommended(), "ORG_NAME=Café")...), 0, []string{
			`{"ok":true,"problems":[],"warnings":["AUTH_MESSAGE`, `\nWelcome to Café! `, `"segments":2,"encoding":"UCS-2","standard_segments":1,"standard_encoding":"GSM-7"}`,
			`"guessing":{"digits":6,"wrong_codes_per_entry":5,"wrong_codes_per_number_and_day":45,"odds":[{"numbers":1,"probability":`, `{"numbers":1000,`, `"redis":"fine"`,
		}},
		{environment(redis, sim), 0, []string{`"wrong_codes_per_number_and_day":null,"odds":[{"numbers":1,"probability":1}`}},
		{complete("REDIS_URL=redis://127.0.0.1:1/0"), 1, []string{`{"ok":false,"problems":["Redis cannot be used: `, `"warnings":[`, "connection refused"}},
		{[]string{"CODE_LENGTH=0"}, 2, []string{`{"ok":false,"problems":["`, "CODE_LENGTH", "FLOWROUTE_NUMBER", `"warnings":[]`}},
	} {
		out, _ := command(t, c.status, c.env, "check", "--json")
		if contains(t, "check --json", out, c.want...); !json.Valid([]byte(out)) {
			t.Errorf("no JSON: %s", out)
		}
	}
}

// TestShellWord: a suggested command can be pasted into a shell.
func TestShellWord(t *testing.T) {
	for text, want := range map[string]string{
		"signup-1": "signup-1", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "http://127.0.0.1:8000": "http://127.0.0.1:8000",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}
