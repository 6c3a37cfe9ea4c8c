package main

import "testing"

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
