package tryit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// handler returns the page in front of an API that always answers 418. Each number has 30
// messages.
func handler(t *testing.T, o Options) http.Handler {
	t.Helper()
	o.Messages = func(to string) []Message {
		var all []Message
		for i := range 30 {
			all = append(all, Message{ID: fmt.Sprint(i), From: "12065550100", Text: "for " + to})
		}
		return all
	}
	h, err := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends a request with headers "Name: value" on a connection to the local address.
func ask(h http.Handler, local, method, url string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, url, nil)
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(local)}))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

const (
	chromium = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	safari   = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
)

// TestWhoGetsThePage: browsers are redirected to the page, programs get the API.
func TestWhoGetsThePage(t *testing.T) {
	h := handler(t, Options{CodeLength: 4})
	const led, api, page = http.StatusSeeOther, http.StatusTeapot, http.StatusOK
	for _, c := range []struct {
		method, path string
		headers      []string
		want         int
	}{
		{"GET", "/", []string{chromium}, led},
		{"GET", "/", []string{safari}, led},
		{"GET", "/", []string{"Accept: text/html"}, led},
		{"GET", "/", nil, api},
		{"GET", "/", []string{"Accept: */*"}, api}, // curl
		{"GET", "/", []string{"Accept: application/json, text/plain, */*"}, api},
		{"GET", "/", []string{"Accept: application/json, text/html"}, api},
		{"GET", "/?auth_id=a&code=1", []string{chromium}, api},
		{"GET", "/?", []string{chromium}, led},
		{"HEAD", "/", []string{chromium}, api},
		{"POST", "/", []string{chromium}, api},
		{"DELETE", "/?auth_id=a", []string{chromium}, api},
		{"GET", "/verify", []string{chromium}, api},
		{"GET", "/debug", nil, led},
		{"GET", "/debug/", nil, page},
		{"HEAD", "/debug/", nil, page},
		{"POST", "/debug/", nil, api},
		{"GET", "/debug/page.js", nil, page},
		{"GET", "/debug/text.js", nil, page},
		{"GET", "/debug/page.css", nil, page},
		{"GET", "/debug/icon.svg", nil, page},
		{"GET", "/debug/page.html", nil, api},
		{"GET", "/debug/pprof/", nil, api},
		{"GET", "/debug/messages", nil, page},
		{"POST", "/debug/messages", nil, api},
	} {
		got := ask(h, "127.0.0.1", c.method, "http://127.0.0.1:8000"+c.path, c.headers...)
		if got.StatusCode != c.want {
			t.Errorf("%s %s %q: %d, want %d", c.method, c.path, c.headers, got.StatusCode, c.want)
		}
		if got.StatusCode == led && (got.Header.Get("Location") != "/debug/" || got.Header.Get("Vary") != "Accept") {
			t.Errorf("%s %s: %v", c.method, c.path, got.Header)
		}
	}
}

// TestHosts: the page is refused for a Host that an attacker can resolve to loopback,
// since the attacker's page would have the same origin.
func TestHosts(t *testing.T) {
	h := handler(t, Options{CodeLength: 4})
	for _, c := range []struct {
		local, host string
		want        int
	}{
		{"127.0.0.1", "127.0.0.1:8000", 200},
		{"127.0.0.1", "127.0.0.1", 200},
		{"127.0.0.1", "localhost:8000", 200},
		{"127.0.0.1", "LocalHost", 200},
		{"127.0.0.1", "shop.localhost:8000", 200},
		{"::1", "[::1]:8000", 200},
		{"::1", "[::1]", 200},
		{"127.0.0.1", "[::ffff:127.0.0.1]:8000", 200},
		{"127.0.0.1", "evil.example:8000", 403},
		{"127.0.0.1", "localhost.evil.example", 403},
		{"127.0.0.1", "127.0.0.1.evil.example", 403},
		{"127.0.0.1", "evillocalhost", 403},
		{"127.0.0.1", "192.0.2.7:8000", 403},
		{"127.0.0.1", "0.0.0.0:8000", 403},
		{"192.0.2.7", "192.0.2.7:8000", 200}, // the service listens there
		{"192.0.2.7", "localhost:8000", 200},
		{"192.0.2.7", "evil.example", 403},
	} {
		for _, path := range []string{"/debug/", "/debug/page.js", "/debug/messages?to=12065550142"} {
			r := "http://" + c.host + path
			if got := ask(h, c.local, "GET", r); got.StatusCode != c.want {
				t.Errorf("%s on %s: %d, want %d", r, c.local, got.StatusCode, c.want)
			}
		}
	}
}

// TestMessages: the page gets the newest messages of a number; other origins get none.
func TestMessages(t *testing.T) {
	h := handler(t, Options{CodeLength: 4})
	get := func(headers ...string) *http.Response {
		return ask(h, "127.0.0.1", "GET", "http://localhost:8000/debug/messages?to=12065550142", headers...)
	}
	for _, site := range []string{"same-origin", "none"} {
		if got := get("Sec-Fetch-Site: " + site); got.StatusCode != 200 {
			t.Errorf("%s: %d", site, got.StatusCode)
		}
	}
	for _, site := range []string{"cross-site", "same-site", "anything"} {
		got := get("Sec-Fetch-Site: "+site, "Origin: http://evil.example")
		if content, _ := io.ReadAll(got.Body); got.StatusCode != 403 || strings.Contains(string(content), "12065550142") {
			t.Errorf("%s: %d %s", site, got.StatusCode, content)
		}
	}
	got := get()
	if got.Header.Get("Access-Control-Allow-Origin") != "" || got.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("other pages may read the messages: %v", got.Header)
	}
	var body struct{ Messages []Message }
	if err := json.NewDecoder(got.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if m := body.Messages; len(m) != 20 || m[0].ID != "10" || m[19].ID != "29" || m[0].Text != "for 12065550142" {
		t.Errorf("%d messages: %+v", len(m), m)
	}
}

// TestHeaders: the page loads only its own files and has no inline script or style.
func TestHeaders(t *testing.T) {
	h := handler(t, Options{CodeLength: 6, NeedsKey: true, Numbers: []Number{{Phone: "15005550422", Does: "<i>", Answer: "500"}}})
	for path, mediaType := range map[string]string{
		"/debug/": "text/html", "/debug/page.js": "text/javascript", "/debug/text.js": "text/javascript", "/debug/page.css": "text/css", "/debug/icon.svg": "image/svg+xml", "/debug/messages": "application/json",
	} {
		got := ask(h, "127.0.0.1", "GET", "http://127.0.0.1:8000"+path)
		if !strings.HasPrefix(got.Header.Get("Content-Type"), mediaType) {
			t.Errorf("%s: %s", path, got.Header.Get("Content-Type"))
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
			"X-Content-Type-Options":  "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %s: %q", path, name, got.Header.Get(name))
			}
		}
		if got.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", path)
		}
		content, _ := io.ReadAll(got.Body)
		text := string(content)
		if foreign := regexp.MustCompile(`(?:src|href|url\(|@import|from)\s*[=(]?\s*["']?(?:https?:)?//`).FindString(text); foreign != "" {
			t.Errorf("%s loads from elsewhere: %s", path, foreign)
		}
		if path == "/debug/" {
			if inline := regexp.MustCompile(`(?i)<style|style=|\son[a-z]+=|<script[^>]*>[^<]|javascript:|<i>`).FindString(text); inline != "" {
				t.Errorf("the page has inline: %s", inline)
			}
			for _, part := range []string{`&#34;code_length&#34;:6,&#34;needs_key&#34;:true`, `{&#34;number&#34;:&#34;15005550422&#34;`, `id="api-key"`, `autocomplete="one-time-code"`, `inputmode="numeric"`} {
				if !strings.Contains(text, part) {
					t.Errorf("the page lacks %s", part)
				}
			}
		}
	}
}
