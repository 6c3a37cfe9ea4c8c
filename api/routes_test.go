package api

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	noRoute  = `{"message":"No such route","reason":"NotFound"}`
	noMethod = `{"message":"Method not allowed here; see the Allow header","reason":"MethodNotAllowed"}`
)

// call is a request, and the kind of work that it is.
type call struct{ kind, method, target, body string }

// calls returns a request of each route that needs an API key, about the auth_id a, with a
// profile unless it is empty.
func calls(profile string) []call {
	member, argument := "", ""
	if profile != "" {
		member, argument = `,"profile":`+quote(profile), "&profile="+profile
	}
	return []call{
		{"create", "POST", "/", `{"auth_id":"a","recipient":"` + number + `"` + member + `}`},
		{"check", "POST", "/verify", `{"auth_id":"a","code":"1"` + member + `}`},
		{"check", "GET", "/?auth_id=a&code=1" + argument, ""},
		{"check", "GET", "/status?auth_id=a" + argument, ""},
		{"check", "DELETE", "/?auth_id=a" + argument, ""},
	}
}

func (a *testAPI) call(t testing.TB, c call, headers ...string) answer {
	t.Helper()
	return a.do(t, c.method, c.target, c.body, headers...)
}

func (a answer) allows() []string {
	methods := strings.Split(a.header.Get("Allow"), ", ")
	slices.Sort(methods)
	return methods
}

func withKey(f *fixture) { f.Keys = []Key{key("shop", "secret")} }

// openAndWithKey runs a test on an API that is open and on one that needs a key. No request
// of the test may reach the store.
func openAndWithKey(t *testing.T, run func(a *testAPI)) {
	t.Helper()
	for _, setup := range []func(*fixture){func(*fixture) {}, withKey} {
		a := newAPI(t, setup)
		a.untouched(t, func() { run(a) })
	}
}

func TestMethods(t *testing.T) {
	openAndWithKey(t, func(a *testAPI) {
		for route, item := range a.api.Doc.Paths.Map() {
			methods := append(slices.Collect(maps.Keys(item.Operations())), "OPTIONS")
			slices.Sort(methods)
			target := strings.Replace(route, "{token}", webhookToken, 1) + "?auth_id=a&code=1234"
			if got := a.do(t, "OPTIONS", target, ""); got.status != 204 || !slices.Equal(got.allows(), methods) {
				t.Errorf("OPTIONS %s: %d, Allow %q", route, got.status, got.allows())
			}
			for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND", "REPORT", "QUERY", "get", "echo_route_not_found"} {
				if slices.Contains(methods, method) {
					continue
				}
				got := a.do(t, method, target, "")
				if got.status != 405 || !slices.Equal(got.allows(), methods) {
					t.Errorf("%s %s: %d, Allow %q", method, route, got.status, got.allows())
				}
				if method != "HEAD" {
					got.is(t, 405, noMethod)
				}
			}
		}
		a.do(t, "OPTIONS", "/nowhere", "").is(t, 404, noRoute)
		all := a.raw(t, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", false)
		a.check(t, "OPTIONS", "*", all)
		if want := []string{"DELETE", "GET", "HEAD", "OPTIONS", "POST"}; all.status != 204 || !slices.Equal(all.allows(), want) {
			t.Errorf("OPTIONS *: %d, Allow %q", all.status, all.allows())
		}
	})
}

func TestNoSuchRoute(t *testing.T) {
	openAndWithKey(t, func(a *testAPI) {
		for _, path := range []string{
			"/nowhere", "/verify/", "/verify/a", "/Verify", "//", "//verify", "/./", "/../", "/v", "/verif", "/verifyy", "/healthz/", "/health",
			"/%2F", "/%00", "/%ff", "/*", "/*/", "/:id", "/metrics", "/debug/pprof/", "/index.html", "/favicon.ico", "/openapi.yml",
		} {
			for _, method := range []string{"GET", "POST", "DELETE", "PUT", "FOO"} {
				a.do(t, method, path+"?auth_id=a&code=1234", `{`+members+`}`).is(t, 404, noRoute)
			}
			if got := a.do(t, "HEAD", path, ""); got.status != 404 {
				t.Errorf("HEAD %s: %d", path, got.status)
			}
		}
		for _, request := range []string{"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"} {
			a.raw(t, request, false).is(t, 404, noRoute)
		}
	})
}

// TestHead: HEAD has the headers of GET and no body.
func TestHead(t *testing.T) {
	a := newAPI(t)
	compare := func(path string, status int) {
		t.Helper()
		get, head := a.do(t, "GET", path, ""), a.do(t, "HEAD", path, "")
		if get.status != status || head.status != status {
			t.Errorf("%s: GET %d, HEAD %d, want %d", path, get.status, head.status, status)
		}
		for _, name := range []string{"Content-Type", "Content-Length", "Retry-After", "Cache-Control"} {
			if g, h := get.header.Get(name), head.header.Get(name); g != h {
				t.Errorf("%s %s: GET %q, HEAD %q", path, name, g, h)
			}
		}
	}
	compare("/healthz", 200)
	compare("/readyz", 200)
	compare("/openapi.yaml", 200)
	compare("/nowhere", 404)
	a.state.ready = false
	compare("/readyz", 503)
	compare("/healthz", 200)
}
