package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// lines returns the lines of the log.
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

// TestRecipientInLog: all lines about one number have the same pseudonym. It is neither
// the number nor its stored form.
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

// TestSampling: lines are left out and counted by kind. Lines of sent messages are always
// written, and so is everything at level debug.
func TestSampling(t *testing.T) {
	const rate, asked = 5, 50
	level := &slog.LevelVar{}
	log := &codestest.Output{}
	a := newAPI(t, withKey, func(f *fixture) {
		f.LogRate = rate
		f.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level}))
		f.limits.Sends = codestest.Windows(t, "1/1h")
	})
	a.log = log
	key := []string{"Authorization", "Bearer secret"}
	begun := time.Now()
	for i := range asked {
		a.do(t, "GET", checkQuery("x", "1"), "", key...) // 400
		a.do(t, "GET", checkQuery("x", "1"), "")         // 401
		a.do(t, "POST", "/", createBody("a"), key...)    // 200, then 429
		if i%2 == 0 {
			a.sender.FailWith(codes.ErrUnconfirmed) // 500: it may have been sent
		}
		a.do(t, "POST", "/", fmt.Sprintf(`{"auth_id":"a","recipient":"120655502%02d"}`, i), key...)
		a.sender.FailWith(nil)
	}
	most := rate * (2 + int(time.Since(begun).Seconds()))
	written, reported := map[string]int{}, 0
	for _, line := range a.lines(t) {
		if line["msg"] == "request" {
			written[fmt.Sprintf("%v %v", line["status"], line["reason"])]++
		} else if n, ok := line["lines"].(float64); ok {
			reported += int(n)
		}
	}
	if written["200 <nil>"]+written["500 MessageUnconfirmed"] != 1+asked {
		t.Errorf("lines %v; want all of the %d messages that were sent", written, 1+asked)
	}
	total := 1 + asked
	for _, refusal := range []string{"400 UnknownAuthId", "401 Unauthorized", "429 RateLimited"} {
		if n := written[refusal]; n < rate || n > most {
			t.Errorf("%d lines of %s, want %d to %d", n, refusal, rate, most)
		}
		total += written[refusal]
	}
	left := 4*asked - total
	if want := fmt.Sprintf("smsv_log_lines_sampled_total %d\n", left); !strings.Contains(a.metrics(t), want) || reported > left {
		t.Errorf("want %s, and at most that many reported in the log, not %d:\n%s", want, reported, a.metrics(t))
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

// TestRepeatedCreatesAreSampled: an answer that is repeated for its key sent no message,
// so its line may be left out.
func TestRepeatedCreatesAreSampled(t *testing.T) {
	a := newAPI(t, func(f *fixture) {
		f.LogRate = 1
		f.Logger = slog.New(slog.NewJSONHandler(&codestest.Output{}, nil))
	})
	for range 50 {
		a.do(t, "POST", "/", createBody("r"), "Idempotency-Key", "k")
	}
	if metrics := a.metrics(t); !regexp.MustCompile(`smsv_log_lines_sampled_total 4\d\n`).MatchString(metrics) {
		t.Errorf("few of 49 repeated answers were left out:\n%s", metrics)
	}
}

// TestSamplerSeconds: a second begins with the first line after the previous second.
func TestSamplerSeconds(t *testing.T) {
	s := &sampler{rate: 2, omitted: prometheus.NewCounter(prometheus.CounterOpts{})}
	now := time.Now()
	for i, want := range []struct {
		after time.Duration
		pass  bool
		left  int64
	}{
		{0, true, 0}, {0, true, 0}, {0, false, 0}, {999 * time.Millisecond, false, 0},
		{time.Second, true, 2}, {time.Second, true, 0}, {1999 * time.Millisecond, false, 0},
		{5 * time.Second, true, 1}, {7 * time.Second, true, 0},
	} {
		if pass, left := s.next(now.Add(want.after)); pass != want.pass || left != want.left {
			t.Errorf("line %d: %v, %d; want %v", i, pass, left, want)
		}
	}
}

// TestClientInLog: the log has a pseudonym of the client, the same for the same client.
func TestClientInLog(t *testing.T) {
	a := newAPI(t)
	for _, client := range []string{`"192.0.2.1"`, `"::ffff:192.0.2.1"`, `"192.0.2.2"`} {
		a.do(t, "POST", "/", `{"auth_id":"a","recipient":"`+number+`","client":`+client+`}`)
	}
	found := regexp.MustCompile(`"recipient_ends":"00","client":"([0-9a-f]{10})"`).FindAllStringSubmatch(a.log.String(), -1)
	if len(found) != 3 || found[0][1] != found[1][1] || found[0][1] == found[2][1] || strings.Contains(a.log.String(), "192.0.2") {
		t.Errorf("%q in\n%s", found, a.log)
	}
}
