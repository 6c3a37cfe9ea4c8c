package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// lines are the lines of the log, whole.
func (a *testAPI) lines(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(a.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, fields)
	}
	return all
}

// TestRecipientInLog: the lines about one number have something in common
// that is neither the number nor what the store keeps, and those about another
// have not.
func TestRecipientInLog(t *testing.T) {
	var hasher *codes.Hasher
	a := newAPI(t, func(f *fixture) { hasher = f.Hasher })
	a.do(t, "POST", "/", createBody("a"), "X-Request-Id", "create")
	code := a.lastCode(t)
	a.do(t, "GET", checkQuery("a", wrong(code)), "", "X-Request-Id", "wrong")
	a.do(t, "POST", "/verify", fmt.Sprintf(`{"auth_id":"a","code":"%s"}`, code), "X-Request-Id", "right")
	a.do(t, "GET", checkQuery("a", code), "", "X-Request-Id", "unknown")
	a.do(t, "POST", "/", `{"auth_id":"b","recipient":"12065550177"}`, "X-Request-Id", "another")
	a.sender.FailWith(codes.ErrRejected)
	a.do(t, "POST", "/", createBody("a"), "X-Request-Id", "refused")
	a.do(t, "POST", "/", `{"auth_id":"a","recipient":"19005550100"}`, "X-Request-Id", "not allowed")
	a.do(t, "POST", "/", `{"auth_id":"a","recipient":"1206555"}`, "X-Request-Id", "no number")

	one := hasher.Pseudonym(hasher.Phone(number))
	for i, want := range []struct{ recipient, ends any }{
		{one, "00"}, {one, nil}, {one, nil}, {nil, nil},
		{hasher.Pseudonym(hasher.Phone("12065550177")), "77"}, {one, "00"},
		{hasher.Pseudonym(hasher.Phone("19005550100")), "00"}, {nil, nil},
	} {
		if line := a.lines(t)[i]; line["recipient"] != want.recipient || line["recipient_ends"] != want.ends {
			t.Errorf("%v: recipient %v, ends %v; want %v", line["request_id"], line["recipient"], line["recipient_ends"], want)
		}
	}
	stored := fmt.Sprintf("%x", [10]byte(hasher.Phone(number)))
	if len(one) != 10 || strings.Contains(stored, one) || one == hasher.Pseudonym(hasher.Phone("12065550177")) ||
		one == codes.NewHasher([]byte("other")).Pseudonym(hasher.Phone(number)) {
		t.Errorf("pseudonym %s of what is stored as %s", one, stored)
	}
}

// TestSampling: under load ordinary lines are left out and counted, all other
// lines are written; at level debug all are.
func TestSampling(t *testing.T) {
	const rate, asked = 5, 50
	level := &slog.LevelVar{}
	log := &buffer{}
	a := newAPI(t, withKey, func(f *fixture) {
		f.LogRate = rate
		f.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level}))
		f.limits.Sends = codestest.Windows(t, "1/1h")
	})
	a.log = log
	key := []string{"Authorization", "Bearer secret"}
	for range asked {
		a.do(t, "GET", checkQuery("a", "1"), "", key...) // 400, ordinary
		a.do(t, "GET", checkQuery("a", "1"), "")         // 401
		a.do(t, "POST", "/", createBody("a"), key...)    // 200, then 429
	}
	written := map[float64]int{}
	left := 0
	for _, line := range a.lines(t) {
		if line["msg"] == "request" {
			written[line["status"].(float64)]++
		} else if n, ok := line["lines"].(float64); ok {
			left += int(n)
		}
	}
	ordinary := written[400] + written[200]
	if written[401] != asked || written[429] != asked-1 {
		t.Errorf("%d of %d lines of 401, %d of %d of 429", written[401], asked, written[429], asked-1)
	}
	seconds := 1 + strings.Count(a.log.String(), "left out")
	if ordinary < rate || ordinary > rate*(seconds+1) {
		t.Errorf("%d ordinary lines in some %d seconds", ordinary, seconds)
	}
	if want := fmt.Sprintf("smsv_log_lines_sampled_total{} %d 0", asked+1-ordinary); !strings.Contains(a.metrics(t), want) || left > asked+1-ordinary {
		t.Errorf("want %s, and at most so many told, not %d:\n%s", want, left, a.metrics(t))
	}

	level.Set(slog.LevelDebug)
	before := len(a.lines(t))
	for range asked {
		a.do(t, "GET", checkQuery("a", "1"), "", key...)
	}
	if got := len(a.lines(t)) - before; got != asked {
		t.Errorf("%d of %d lines at level debug", got, asked)
	}
}
