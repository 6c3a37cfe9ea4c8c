package apitest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func described(t *testing.T) *Description {
	t.Helper()
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCheck: every deviation from the description is found, even if the same answer is
// checked again.
func TestCheck(t *testing.T) {
	const wrongCode = `{"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":2}`
	const noRoute = `{"message":"No such route","reason":"NotFound"}`
	answers := []struct {
		method, path string
		status       int
		body         string
		header       string // beside those of every answer
		wrong        string // empty if nothing is
	}{
		{"POST", "/verify", 400, wrongCode, "", ""},
		{"POST", "/verify", 400, strings.Replace(wrongCode, "2", "1", 1), "", ""},
		{"GET", "/nowhere", 404, noRoute, "", ""},
		{"POST", "/verify/", 404, noRoute, "", ""},
		{"PUT", "/verify", 405, `{"message":"m","reason":"MethodNotAllowed"}`, "Allow: OPTIONS, POST", ""},
		{"HEAD", "/healthz", 200, "", "", ""},
		{"OPTIONS", "/verify", 204, "", "Allow: OPTIONS, POST", ""},

		{"POST", "/verify", 400, strings.Replace(wrongCode, "{", `{"hint":"warm",`, 1), "", "hint"},
		{"POST", "/verify", 400, strings.Replace(wrongCode, `,"attempts_left":2`, "", 1), "", "no example is like"},
		{"POST", "/verify", 400, strings.Replace(wrongCode, "2", `"2"`, 1), "", "attempts_left"},
		{"POST", "/verify", 400, strings.Replace(wrongCode, "2", "-1", 1), "", "attempts_left"},
		{"POST", "/verify", 400, strings.Replace(wrongCode, "InvalidAuthCode", "Confused", 1), "", "reason"},
		{"POST", "/verify", 400, strings.Replace(wrongCode, "InvalidAuthCode", "RateLimited", 1), "", "reason"},
		{"POST", "/verify", 418, wrongCode, "", "status 418 is not described"},
		{"POST", "/verify", 404, noRoute, "", "status 404 is not described"},
		{"POST", "/nowhere", 400, wrongCode, "", "status 400 is not described"},
		{"POST", "/verify", 400, wrongCode, "X-Debug: 1", "header X-Debug is not described"},
		{"POST", "/verify", 400, wrongCode, "Cache-Control: public", "Cache-Control"},
		{"POST", "/verify", 400, wrongCode, "Content-Type: text/xml", "text/xml"},
		{"PUT", "/verify", 405, `{"message":"m","reason":"MethodNotAllowed"}`, "", "Allow"},
		{"POST", "/verify", 401, `{"message":"m","reason":"Unauthorized"}`, "", "Www-Authenticate"},
	}
	d := described(t)
	for range 2 {
		for _, a := range answers {
			header := http.Header{"X-Request-Id": {"r"}, "Cache-Control": {"no-store"}, "Content-Type": {"application/json"}, "Date": {"today"}}
			if name, value, ok := strings.Cut(a.header, ": "); ok {
				header.Set(name, value)
			}
			err := d.Check(Exchange{Method: a.method, Path: a.path, Status: a.status, Header: header, Body: []byte(a.body)})
			if (err == nil) != (a.wrong == "") || err != nil && !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(a.wrong)) {
				t.Errorf("%s %s %d %s: %v, want %q", a.method, a.path, a.status, a.body, err, a.wrong)
			}
		}
	}
}

// TestTransport: answers that are not described fail; answers of others pass.
func TestTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		w.Header().Set("X-Request-Id", "1")
		_, _ = w.Write([]byte(`{"secret":1}`))
	}))
	defer server.Close()
	c := &http.Client{Transport: described(t).Transport(http.DefaultTransport)}
	for _, want := range []struct {
		path, media string
		passes      bool
	}{
		{"/", "application/json", false},
		{"/healthz", "application/json", false},
		{"/", "text/html", true}, // of a proxy
		{"/metrics", "text/plain; version=0.0.4", true},
		{"/_sim/messages", "application/json", true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+want.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", want.media)
		res, err := c.Do(r)
		if (err == nil) != want.passes {
			t.Errorf("%s as %s: %v", want.path, want.media, err)
		}
		if err == nil {
			_ = res.Body.Close()
		}
	}
}

// TestNewRefuses: an invalid or inconsistent description is refused.
func TestNewRefuses(t *testing.T) {
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for old, mutant := range map[string]string{
		"openapi: 3.1.0":                            "openapi: 2.0",
		"#/components/responses/Verified'":          "#/components/responses/Nowhere'",
		"reason: InvalidAuthCode, attempts_left: 2": "reason: InvalidAuthCode, attempts_left: two",
		"reason: ExpiredAuthCode, attempts_left: 0": "reason: ExpiredAuthCode, left: 0",
	} {
		changed := strings.Replace(string(text), old, mutant, 1)
		if _, err := New([]byte(changed)); (err == nil) != (changed == string(text)) {
			t.Errorf("%s: %v", mutant, err)
		}
	}
}
