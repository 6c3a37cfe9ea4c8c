package codes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// The settings of the specification. Codes have one digit, so that an old or a random
// code is sometimes the right one.
const (
	specAttempts = 2
	specLifetime = 60 * time.Second
	specNotice   = 30 * time.Second
)

var specLimits = map[string]struct {
	max  int
	span time.Duration
}{
	"SEND_LIMITS 3/50s":       {3, 50 * time.Second},
	"SEND_LIMITS 5/200s":      {5, 200 * time.Second},
	"GUESS_LIMITS 3/90s":      {3, 90 * time.Second},
	"SEND_LIMITS_TOTAL 6/80s": {6, 80 * time.Second},
}

// spec computes independently what the service must do, from the live entry of each id
// and the times of the events of each number.
type spec struct {
	now     time.Duration
	entries map[codes.ID]*specEntry
	sends   map[codes.Phone][]time.Duration
	wrong   map[codes.Phone][]time.Duration
	total   []time.Duration
}

type specEntry struct {
	code int // as a number: leading zeros do not count
	to   codes.Phone
	left int64
	made time.Duration
}

// full returns the limits that allow no code for a number at a time from now on.
func (s *spec) full(to codes.Phone, at time.Duration) (names []string) {
	check := func(name string, events []time.Duration) {
		limit, inside := specLimits[name], 0
		for _, event := range events {
			if event > at-limit.span {
				inside++
			}
		}
		if inside >= limit.max {
			names = append(names, name)
		}
	}
	check("SEND_LIMITS 3/50s", s.sends[to])
	check("SEND_LIMITS 5/200s", s.sends[to])
	check("GUESS_LIMITS 3/90s", s.wrong[to])
	check("SEND_LIMITS_TOTAL 6/80s", s.total)
	return names
}

// ttl returns the lifetime that an entry has left.
func (s *spec) ttl(id codes.ID) time.Duration {
	e := s.entries[id]
	if e == nil || e.left == 0 {
		return 0
	}
	return max(0, e.made+specLifetime-s.now)
}

// check returns the answer to a code, and updates the entry.
func (s *spec) check(id codes.ID, code int) (status codes.Status, left int64) {
	e := s.entries[id]
	switch {
	case e == nil || e.left == 0 || s.now >= e.made+specLifetime+specNotice:
		return codes.Unknown, 0
	case s.ttl(id) == 0:
		delete(s.entries, id)
		return codes.Expired, 0
	case e.code == code:
		delete(s.entries, id)
		return codes.Right, 0
	}
	e.left--
	s.wrong[e.to] = append(s.wrong[e.to], s.now)
	return codes.Wrong, e.left
}

// machine drives the service and the specification with the same commands.
type machine struct {
	*spec
	*fixture
	sentFor map[codes.ID][]codes.Code // every code that was sent for an id
}

func newMachine(t *testing.T, sameCode bool) *machine {
	m := &machine{
		spec: &spec{
			entries: map[codes.ID]*specEntry{},
			sends:   map[codes.Phone][]time.Duration{},
			wrong:   map[codes.Phone][]time.Duration{},
		},
		fixture: newFixture(t),
		sentFor: map[codes.ID][]codes.Code{},
	}
	var err error
	if m.options.Numbers.Allowed, err = codes.ParseRecipients(nil, []string{"premium"}); err != nil {
		t.Fatal(err)
	}
	p := &m.options.Policy
	p.CodeLength, p.Lifetime, p.Notice, p.Attempts, p.SameCode = 1, specLifetime, specNotice, specAttempts, sameCode
	p.Limits = codes.Limits{
		Sends:   codestest.Windows(t, "3/50s", "5/200s"),
		Guesses: codestest.Windows(t, "3/90s"),
		Total:   codestest.Windows(t, "6/80s"),
	}
	m.open()
	return m
}

const one, two, three, premium codes.Phone = "12065550001", "12065550002", "12065550003", "19005550004"

// A value that is listed more than once is drawn more often.
var (
	anyID      = rapid.SampledFrom([]codes.ID{"a", "a", "b"})
	anyNumber  = rapid.SampledFrom([]codes.Phone{one, one, one, two, two, three, premium})
	anyFailure = rapid.SampledFrom([]error{
		nil, nil, nil, nil, nil, codes.ErrRejected, codes.ErrSenderRefused, codes.ErrUnavailable, codes.ErrUnconfirmed,
	})
)

func (m *machine) create(t *rapid.T) {
	id, to, failure := anyID.Draw(t, "id"), anyNumber.Draw(t, "to"), anyFailure.Draw(t, "failure")
	m.sender.FailWith(failure)
	before := len(m.sender.Messages())
	m.events.created = nil
	created, err := m.Create(context.Background(), request(id, to))
	messages := m.sender.Messages()[before:]

	full := m.full(to, m.now)
	switch {
	case to == premium:
		if !errors.Is(err, codes.ErrRecipientNotAllowed) || len(messages) != 0 {
			t.Fatalf("Create = %v, %d messages, for a number that is not allowed", err, len(messages))
		}
		return
	case len(full) > 0:
		if len(messages) != 0 {
			t.Fatalf("%d messages in spite of %v", len(messages), full)
		}
		m.checkLimit(t, to, err)
		return
	}
	want := codes.Created{Recipient: m.options.Secret.Phone(to)}
	if failure == nil {
		want.Lifetime, want.Attempts = specLifetime, specAttempts
		if m.resends(id, to) {
			want.Lifetime, want.Attempts = (m.ttl(id) + time.Second - 1).Truncate(time.Second), m.entries[id].left
		}
		want.ResendAfter = created.ResendAfter // see RunLimiterModel
	}
	if !errors.Is(err, failure) || created != want {
		t.Fatalf("Create = %+v, %v; want %+v and the error %v", created, err, want, failure)
	}
	m.checkEvent(t, id, to, failure)
	m.created(t, id, to, messages, failure)
}

// resends reports whether a create sends the code of the live entry again.
func (m *machine) resends(id codes.ID, to codes.Phone) bool {
	return m.options.Policy.SameCode && m.ttl(id) >= specLifetime/2 && m.entries[id].to == to
}

// checkEvent checks the event of a create that passed the limits.
func (m *machine) checkEvent(t *rapid.T, id codes.ID, to codes.Phone, failure error) {
	stays := failure == nil || errors.Is(failure, codes.ErrUnconfirmed)
	want := codes.CreateEvent{
		Area: codes.AreaUS, Lifetime: specLifetime,
		Reserved: true, Stored: stays, Withdrawn: !stays, Replaced: m.ttl(id), Sent: failure == nil, Uncertain: stays && failure != nil,
	}
	if want.Sent {
		want.Segments = 1
	}
	if m.resends(id, to) {
		want.Resent, want.Stored, want.Withdrawn, want.Replaced = true, false, false, 0
	}
	if e := m.events.created; len(e) == 1 {
		want.Arrived = e[0].Arrived
	}
	if !slices.Equal(m.events.created, []codes.CreateEvent{want}) {
		t.Fatalf("reported %+v, want %+v", m.events.created, want)
	}
}

// created records a create that passed the limits.
func (m *machine) created(t *rapid.T, id codes.ID, to codes.Phone, messages []codes.Message, failure error) {
	if failure != nil && !errors.Is(failure, codes.ErrUnconfirmed) {
		if len(messages) != 0 {
			t.Fatalf("%d messages in spite of %v", len(messages), failure)
		}
		if e := m.entries[id]; e != nil && m.now >= e.made+specLifetime {
			delete(m.entries, id) // it had expired
		}
		return
	}
	if len(messages) != 1 || messages[0].To != to {
		t.Fatalf("%d messages, want one to the recipient", len(messages))
	}
	code := codeIn(messages[0])
	m.sentFor[id] = append(m.sentFor[id], code)
	m.sends[to] = append(m.sends[to], m.now)
	m.total = append(m.total, m.now)
	if m.resends(id, to) {
		if number(t, code) != m.entries[id].code {
			t.Fatal("another code was sent")
		}
		return
	}
	m.entries[id] = &specEntry{code: number(t, code), to: to, left: specAttempts, made: m.now}
}

// checkLimit checks the refusal of a limit: at the time that it names all limits are
// clear, and a second earlier that limit is not.
func (m *machine) checkLimit(t *rapid.T, to codes.Phone, err error) {
	var reached *codes.LimitError
	if !errors.As(err, &reached) {
		t.Fatalf("Create = %v, want %v", err, m.full(to, m.now))
	}
	after := m.now + reached.RetryAfter
	before, then := m.full(to, after-time.Second), m.full(to, after)
	if !slices.Contains(m.full(to, m.now), reached.Limit) || !slices.Contains(before, reached.Limit) || len(then) > 0 {
		t.Fatalf("limit %s, retry in %v; reached are %v, a second earlier %v, then %v",
			reached.Limit, reached.RetryAfter, m.full(to, m.now), before, then)
	}
}

func number(t *rapid.T, code codes.Code) int {
	n, err := strconv.Atoi(string(code))
	if err != nil {
		t.Fatal("a code that is no number")
	}
	return n
}

// check tries the latest code of an id, an older one or any.
func (m *machine) check(t *rapid.T) {
	id := anyID.Draw(t, "id")
	code := codes.Code(fmt.Sprintf("%0*d", rapid.IntRange(1, 3).Draw(t, "width"), rapid.IntRange(0, 12).Draw(t, "code")))
	if sent := m.sentFor[id]; len(sent) > 0 {
		switch rapid.SampledFrom([]string{"latest", "any", "any", "older"}).Draw(t, "which") {
		case "latest":
			code = sent[len(sent)-1]
		case "older":
			code = rapid.SampledFrom(sent).Draw(t, "sent")
		}
	}
	var want codes.Outcome
	if e := m.entries[id]; e != nil {
		want.Recipient = m.options.Secret.Phone(e.to)
	}
	want.Status, want.AttemptsLeft = m.spec.check(id, number(t, code))
	if want.Status != codes.Wrong {
		want.Recipient = codes.Digest{}
	}
	got, err := m.Check(context.Background(), codes.CheckRequest{ID: id, Code: code})
	if err != nil || codestest.Answer(got) != want {
		t.Fatalf("Check = %+v, %v; want %+v", got, err, want)
	}
}

func (m *machine) cancel(t *rapid.T) {
	id := anyID.Draw(t, "id")
	if err := m.Cancel(context.Background(), codes.CancelRequest{ID: id}); err != nil {
		t.Fatal(err)
	}
	delete(m.entries, id)
}

func (m *machine) status(t *rapid.T) {
	id := anyID.Draw(t, "id")
	var want codes.Progress
	if e := m.entries[id]; m.ttl(id) > 0 {
		want = codes.Progress{Stage: codes.StagePending, AttemptsLeft: e.left, TTLLeft: m.ttl(id)}
	} else if e != nil && e.left > 0 && m.now < e.made+specLifetime+specNotice {
		want.Stage = codes.StageExpired
	}
	got, err := m.Status(context.Background(), codes.StatusRequest{ID: id})
	if err != nil || got != want {
		t.Fatalf("Status = %+v, %v; want %+v", got, err, want)
	}
}

func (m *machine) advance(t *rapid.T) {
	d := rapid.Custom(func(t *rapid.T) time.Duration {
		if rapid.Bool().Draw(t, "whole") { // meets the ends of lifetimes and windows
			return 10 * time.Second * time.Duration(rapid.IntRange(1, 9).Draw(t, "tens"))
		}
		return time.Millisecond * time.Duration(rapid.IntRange(1, 40_000).Draw(t, "ms"))
	}).Draw(t, "time")
	m.now += d
	m.model.Advance(d)
}

func TestServiceAgainstSpecification(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := newMachine(t, rapid.Bool().Draw(r, "same code"))
		commands := map[string]func(*rapid.T){
			"create": m.create, "create more": m.create,
			"check": m.check, "check more": m.check, "check most": m.check,
			"cancel":  m.cancel,
			"status":  m.status,
			"advance": m.advance,
		}
		for range 3 { // long enough to reach every limit
			r.Repeat(commands)
		}
	})
}
