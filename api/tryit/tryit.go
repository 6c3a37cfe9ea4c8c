// Package tryit serves the page at /debug/ in debug mode, on which a person can try the
// service: a sign-up form, and a phone that shows the messages. The page calls the API of
// the same process. It adds one route, for the messages on the phone.
//
// Messages contain codes. So the page is served only for a Host that no foreign domain can
// resolve to, and the messages only to the page itself.
package tryit

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/json"
	"html"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Message is an SMS that a phone received.
type Message struct {
	ID   string    `json:"id"`
	From string    `json:"from"` // 11 digits
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// Number is a test number that simulates an answer.
type Number struct {
	Phone  string `json:"number"` // 11 digits
	Does   string `json:"does"`
	Answer string `json:"answer"` // status and reason of the answer to a create
}

// Profile is a profile of the service.
type Profile struct {
	Name       string   `json:"name"`
	CodeLength int      `json:"code_length"` // digits
	SameCode   bool     `json:"same_code"`   // RESEND=same
	Languages  []string `json:"languages"`   // of its messages, as BCP 47 tags
}

// Options configure the page. Messages, Numbers and CodeLength are required.
type Options struct {
	Messages   func(to string) []Message `json:"-"` // to one number, oldest first
	Numbers    []Number                  `json:"numbers"`
	CodeLength int                       `json:"code_length"` // digits
	NeedsKey   bool                      `json:"needs_key"`   // the API requires a key
	SameCode   bool                      `json:"same_code"`   // RESEND=same
	Profiles   []Profile                 `json:"profiles,omitempty"`
}

//go:embed page.html page.css page.js text.js icon.svg
var files embed.FS

// asset is a file of the page.
type asset struct {
	mediaType string
	content   []byte
}

type page struct {
	api      http.Handler
	messages func(to string) []Message
	assets   map[string]asset // by path
}

const home = "/debug/"

// Handler puts the page in front of the API. A browser that opens the API's address is
// redirected to the page; all other requests go to the API.
func Handler(api http.Handler, o Options) (http.Handler, error) {
	p := &page{api: api, messages: o.Messages, assets: map[string]asset{}}
	for name, mediaType := range map[string]string{
		"page.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
		"page.js": "text/javascript; charset=utf-8", "text.js": "text/javascript; charset=utf-8",
	} {
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p.assets[home+name] = asset{mediaType, content}
	}
	content, err := files.ReadFile("page.html")
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	// Not with html/template: it calls methods by name, so the linker would keep every
	// exported method, which adds ten megabytes.
	content = bytes.Replace(content, []byte("SETTINGS"), []byte(html.EscapeString(string(settings))), 1)
	p.assets[home] = asset{"text/html; charset=utf-8", content}
	return p, nil
}

const messagesPath = home + "messages"

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, found := p.assets[r.URL.Path]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		p.api.ServeHTTP(w, r)
	case r.URL.Path == strings.TrimSuffix(home, "/") || isBrowser(r):
		secure(w.Header())
		w.Header().Set("Vary", "Accept")
		http.Redirect(w, r, home, http.StatusSeeOther)
	case !found && r.URL.Path != messagesPath:
		p.api.ServeHTTP(w, r)
	case !isLocal(r):
		secure(w.Header())
		http.Error(w, "Open this page by its address, such as http://127.0.0.1:8000/debug/, and not by a name.", http.StatusForbidden)
	case !found:
		p.inbox(w, r)
	default:
		secure(w.Header())
		w.Header().Set("Content-Type", file.mediaType)
		_, _ = w.Write(file.content)
	}
}

// shown is how many messages the phone shows.
const shown = 20

func (p *page) inbox(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	// Current browsers send the origin of a request. Without it the client is a program
	// or an old browser, which lets no page of another origin read the answer.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		http.Error(w, "Only the try-it page may read the messages.", http.StatusForbidden)
		return
	}
	messages := p.messages(r.URL.Query().Get("to"))
	messages = messages[max(0, len(messages)-shown):]
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string][]Message{"messages": append([]Message{}, messages...)})
}

// secure allows the page to load its own files and call its own service, nothing else.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", rand.Text())
}

// isBrowser reports whether a person has opened the service's address in a browser: the
// request asks for HTML first and has no arguments.
func isBrowser(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.RawQuery == "" && strings.HasPrefix(r.Header.Get("Accept"), "text/html")
}

// isLocal reports whether the request's Host is one that no owner of a domain can make
// resolve to this service: localhost, a loopback address, or, if the service listens on
// more than loopback, any address.
func isLocal(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	if name := strings.ToLower(host); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && (address.Unmap().IsLoopback() || !listensOnLoopback(r))
}

func listensOnLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return !ok || local.IP.IsLoopback()
}
