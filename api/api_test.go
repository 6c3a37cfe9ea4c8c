package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/api/apitest"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const number = "12065550100"

// fixture is what a test may change before the API starts.
type fixture struct {
	Options
	limits   codes.Limits
	profiles []codes.Policy
}

// testAPI is the API with the real service over the reference model, behind a real HTTP
// server. (*testAPI).check checks every answer.
type testAPI struct {
	handler  http.Handler
	url      string
	http     *http.Client
	backend  *backend
	sender   *codestest.Sender
	state    *state
	log      *codestest.Output
	registry *prometheus.Registry
	api      *apitest.Description
	twilio   bool // with the routes of Twilio Verify
}

func newAPI(t testing.TB, change ...func(*fixture)) *testAPI {
	t.Helper()
	a := &testAPI{
		sender:   &codestest.Sender{},
		state:    &state{ready: true},
		log:      &codestest.Output{},
		registry: prometheus.NewRegistry(),
		api:      described(),
	}
	f := fixture{Options: Options{
		State:       a.state,
		Failures:    &failures{},
		Hasher:      codes.NewHasher([]byte("test")),
		Logger:      slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Registerer:  a.registry,
		MaxInFlight: 1000,
	}}
	for _, c := range change {
		c(&f)
	}
	a.backend = &backend{Model: codestest.NewModel()}
	if f.Service == nil {
		f.Service = newService(t, f.Hasher, f.limits, a.backend, a.sender, f.profiles...)
	}
	for _, p := range f.profiles {
		f.Profiles = append(f.Profiles, p.Profile)
	}
	a.handler, a.twilio = New(f.Options).Handler(), f.TwilioServices != nil
	server := httptest.NewUnstartedServer(a.handler)
	server.Config.DisableGeneralOptionsHandler = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Start()
	t.Cleanup(server.Close)
	a.url, a.http = server.URL, server.Client()
	return a
}

// codeLength is so large that a log does not contain a code by chance.
const codeLength = 12

func newService(t testing.TB, h *codes.Hasher, limits codes.Limits, b *backend, s codes.Sender, profiles ...codes.Policy) *codes.Service {
	t.Helper()
	recipients, err := codes.ParseRecipients(nil, []string{"premium"})
	if err != nil {
		t.Fatal(err)
	}
	return codes.NewService(codes.Options{
		Policy: codes.Policy{
			CodeLength: codeLength, Lifetime: time.Hour, Notice: 10 * time.Minute, Attempts: 3,
			Message: codestest.Template(t, "{code}"), Limits: limits,
		},
		Profiles:      profiles,
		Numbers:       codes.Numbers{Allowed: recipients},
		Secret:        h,
		Store:         b,
		Sender:        s,
		SendTimeout:   time.Minute,
		TrackReceipts: true,
	})
}

// state is a State for tests.
type state struct{ ready, draining bool }

func (s *state) Ready() bool    { return s.ready }
func (s *state) Draining() bool { return s.draining }

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	text   string
	closes bool           // the connection is closed after it
	json   map[string]any // nil if text is not JSON
}

func (a answer) reason() string {
	reason, _ := a.json["reason"].(string)
	return reason
}

// do sends a request. headers are alternating names and values. A POST is JSON unless
// headers have another Content-Type; empty values are not sent.
func (a *testAPI) do(t testing.TB, method, target, body string, headers ...string) answer {
	t.Helper()
	return a.send(t, method, target, strings.NewReader(body), headers...)
}

func (a *testAPI) send(t testing.TB, method, target string, body io.Reader, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.url+target, body)
	if err != nil {
		t.Fatal(err)
	}
	setHeaders(r, headers...)
	res, err := a.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := a.read(t, res)
	a.check(t, method, target, got)
	return got
}

func setHeaders(r *http.Request, headers ...string) {
	if r.Method == http.MethodPost && !slices.Contains(headers, "Content-Type") {
		r.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		if pair[1] != "" {
			r.Header.Add(pair[0], pair[1])
		}
	}
}

func (a *testAPI) read(t testing.TB, res *http.Response) answer {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{status: res.StatusCode, header: res.Header, text: string(text), closes: res.Close}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	_ = decoder.Decode(&got.json) // nil if it is no object
	return got
}

// check compares an answer with its description. An error has a member that repeats a
// part of its head.
func (a *testAPI) check(t testing.TB, method, target string, got answer) {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	api, member, head := a.api, "retry_after", got.header.Get("Retry-After")
	if a.twilio && strings.HasPrefix(path, twilioPath) {
		api, member, head = twilioDescribed(), "status", strconv.Itoa(got.status)
	}
	if err := api.Check(apitest.Exchange{Method: method, Path: path, Status: got.status, Header: got.header, Body: []byte(got.text)}); err != nil {
		t.Error(err)
	}
	if value, _ := got.json[member].(json.Number); got.status >= 400 && got.json != nil && value.String() != head {
		t.Errorf("%s is %q, want %q: %s", member, value, head, got.text)
	}
}

// is compares status and body, the body member by member.
func (a answer) is(t testing.TB, status int, body string) {
	t.Helper()
	var want map[string]any
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, a.json); a.status != status || diff != "" {
		t.Errorf("status %d, want %d; body (-want +got):\n%s", a.status, status, diff)
	}
}

// isUsage expects InvalidAPIUsage with a message that contains all words.
func (a answer) isUsage(t testing.TB, status int, words ...string) {
	t.Helper()
	if a.status != status || a.reason() != string(InvalidAPIUsage) || len(a.json) != 2 {
		t.Errorf("status %d %s, want %d InvalidAPIUsage", a.status, a.text, status)
	}
	message, _ := a.json["message"].(string)
	for _, word := range append(words, "Required arguments: ") {
		if !strings.Contains(message, word) {
			t.Errorf("message %q lacks %q", message, word)
		}
	}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func createBody(id string) string {
	return `{"auth_id":` + quote(id) + `,"recipient":"` + number + `"}`
}

func checkQuery(id, code string) string {
	return "/?auth_id=" + url.QueryEscape(id) + "&code=" + url.QueryEscape(code)
}

// create creates a code and returns it.
func (a *testAPI) create(t testing.TB, id string) string {
	t.Helper()
	a.do(t, "POST", "/", createBody(id)).is(t, 200, created(id))
	return a.lastCode(t)
}

func (a *testAPI) lastCode(t testing.TB) string {
	t.Helper()
	sent := a.sender.Messages()
	if len(sent) == 0 {
		t.Fatal("nothing was sent")
	}
	return string(sent[len(sent)-1].Text)
}

// wrong returns another code of the same length.
func wrong(code string) string {
	last := code[len(code)-1]
	return code[:len(code)-1] + string('0'+(last-'0'+1)%10)
}

// spend tries a wrong code and expects left attempts afterwards.
func (a *testAPI) spend(t testing.TB, id, code string, left int) {
	t.Helper()
	a.do(t, "GET", checkQuery(id, wrong(code)), "").is(t, 400, wrongLeft(left))
}

// untouched runs f and expects that it does not reach the store or the sender.
func (a *testAPI) untouched(t testing.TB, f func()) {
	t.Helper()
	before, sent := a.backend.called(), len(a.sender.Messages())
	f()
	if calls, messages := a.backend.called()-before, len(a.sender.Messages())-sent; calls != 0 || messages != 0 {
		t.Errorf("%d calls of the store, %d messages", calls, messages)
	}
}

func key(name, secret string) Key { return Key{Name: name, Hash: sha256.Sum256([]byte(secret))} }
