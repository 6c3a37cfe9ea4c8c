package main

import "testing"

// TestAdmin: metrics, profiles and the log level are on the admin address alone. Package
// api tests what else is there.
func TestAdmin(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment())
	create(t, p.URL, "a", anyone)
	for path, want := range map[string]string{
		"/metrics":                           `smsv_http_requests_total{caller="",reason="",route="POST /",status="200"} 1`,
		"/loglevel":                          "info\n",
		"/debug/pprof/":                      "/debug/pprof/",
		"/debug/pprof/goroutine?debug=1":     "goroutine profile",
		"/debug/pprof/cmdline":               "sms-verification",
		"/debug/pprof/symbol":                "num_symbols",
		"/debug/pprof/profile?seconds=1":     "",
		"/debug/pprof/trace?seconds=0.1":     "",
		"/debug/pprof/allocs?debug=1&gc=yes": "heap profile",
	} {
		contains(t, "admin "+path, get(t, p.Admin+path).want(t, 200, "").raw, want)
		get(t, p.URL+path).want(t, 404, "NotFound")
	}
	contains(t, "metrics", get(t, p.Admin+"/metrics").raw, "go_goroutines", "process_open_fds", "smsv_http_request_duration_seconds_bucket")
}

func TestAdminOff(t *testing.T) {
	t.Parallel()
	p := serveReady(t, debugEnvironment("ADMIN_ADDR=off"))
	if p.Admin != "http://off" {
		t.Errorf("admin at %s", p.Admin)
	}
	for _, path := range []string{"/metrics", "/loglevel", "/debug/pprof/"} {
		get(t, p.URL+path).want(t, 404, "NotFound")
	}
}
