package top

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// says returns the address of a server that gives this answer to every request.
func says(t *testing.T, status int, body string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// run draws one frame of the addresses.
func run(t *testing.T, addresses ...string) (string, error) {
	t.Helper()
	watched, err := New(addresses)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = watched.Run(t.Context(), true, strings.NewReader(""), &out)
	return out.String(), err
}

// TestNoAnswer: the name of a failing replica is shown with its error, and the
// others are shown as usual.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	defer func() { _ = silent.Close() }()
	well := says(t, 200, "# TYPE smsv_codes_created_total counter\nsmsv_codes_created_total{area=\"us\"} 1234\n")
	want := map[string]string{
		gone.Addr().String():                            "connection refused",
		silent.Addr().String():                          "no answer within 2s",
		says(t, 404, ""):                                "answers 404; use its ADMIN_ADDR",
		says(t, 200, "# TYPE other counter\nother 1\n"): "is not sms-verification; use its ADMIN_ADDR",
		says(t, 200, "<html>"):                          "not metrics",
	}
	addresses := []string{well, strings.TrimPrefix(well, "http://"), well + "/metrics"}
	for address := range want {
		addresses = append(addresses, address)
	}
	begun := time.Now()
	out, err := run(t, addresses...)
	if took := time.Since(begun); err != nil || took > 10*time.Second {
		t.Errorf("error %v after %v", err, took)
	}
	for address, why := range want {
		line := "  " + strings.TrimPrefix(address, "http://") + "  DOES NOT ANSWER: " + why
		if !strings.Contains(out, line) {
			t.Errorf("no line %q", line)
		}
	}
	if !strings.Contains(out, "3 of 8 replicas answer") || !strings.Contains(out, "3,702") {
		t.Errorf("the three that answer are not summed")
	}
	if t.Failed() {
		t.Log(out)
	}
	if out, err = run(t, gone.Addr().String()); err == nil || !strings.Contains(out, "0 of 1 replicas answer") {
		t.Errorf("no replica answers: error %v\n%s", err, out)
	}
}

func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "http://", "ftp://127.0.0.1:1", "::", "http://secret:pass word@127.0.0.1"} {
		if _, err := New([]string{address}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	watched, err := New([]string{"https://admin:secret@service.example/here/metrics"})
	if err != nil {
		t.Fatal(err)
	}
	if r := watched.replicas[0]; r.name != "service.example" || r.address != "https://admin:secret@service.example/here/metrics" {
		t.Errorf("%s at %s", r.name, r.address)
	}
}

// TestWindow: rates are over the last minute, and restart after a gap between scrapes.
func TestWindow(t *testing.T) {
	r, err := newReplica(says(t, 200, "# TYPE smsv_a_total counter\nsmsv_a_total 600\n"))
	if err != nil {
		t.Fatal(err)
	}
	old := read(t, "# TYPE smsv_a_total counter\nsmsv_a_total 0\n")
	r.scrapes = []scrape{{time.Now().Add(-3 * window), old}, {time.Now().Add(-2 * window), old}, {time.Now().Add(-window / 2), old}}
	r.scrape(t.Context(), http.DefaultClient)
	rates, seconds := r.rates()
	if got, _ := rates.total("smsv_a_total"); len(r.scrapes) != 2 || got < 19 || got > 20 || seconds < 30 || seconds > 31 {
		t.Errorf("%v a second over %v s of %d scrapes", got, seconds, len(r.scrapes))
	}
	live := r.address
	r.address = "http://127.0.0.1:1/metrics"
	r.scrape(t.Context(), http.DefaultClient)
	if r.failed == nil {
		t.Fatal("a replica that does not answer has no error")
	}
	r.address = live
	r.scrape(t.Context(), http.DefaultClient)
	if _, seconds := r.rates(); r.failed != nil || seconds != 0 {
		t.Errorf("%v; rates over %v s after a silence", r.failed, seconds)
	}
}
