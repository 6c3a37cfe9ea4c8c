package codes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	overlapLifetime = 60 * time.Second
	overlapNotice   = 30 * time.Second
	overlapWait     = 3 * time.Second
	overlapMessages = 7 // that a limit allows in overlapSpan
	overlapSpan     = 40 * time.Second
)

// overlap drives creates of one id that overlap. The test decides when and how the
// carrier answers each of them, and computes independently which entry must be live.
type overlap struct {
	*fixture
	clocked *clocked
	asked   chan *attempt
	made    []*made // in the order in which they were stored
	turn    time.Time
}

// attempt is a message that waits for the carrier's answer.
type attempt struct {
	code   codes.Code
	answer chan error
}

// made is a create whose entry was stored.
type made struct {
	done     chan error
	attempt  *attempt   // nil before its turn, and once it was answered
	code     codes.Code // empty before its turn
	to       codes.Phone
	reserved time.Time
	turn     time.Time
	left     int64
	refused  bool // certainly not sent
	ended    bool // by a right code or a cancel, or expired when another was stored
	reported bool // as expired
}

func newOverlap(t *testing.T) *overlap {
	o := &overlap{fixture: newFixture(t), asked: make(chan *attempt, 100)}
	p := &o.options.Policy
	p.CodeLength = 30 // never twice the same
	p.Lifetime, p.Notice = overlapLifetime, overlapNotice
	p.Limits.Total = codestest.Windows(t, fmt.Sprintf("%d/%v", overlapMessages, overlapSpan))
	p.Limits.Pace = every(overlapWait) // creates also overlap while they wait for a turn
	o.options.SendTimeout = 1000 * time.Hour
	o.clocked = &clocked{faultyStore: o.store, f: o.fixture, last: time.Now()}
	o.options.Store, o.options.Sender = o.clocked, o
	o.open()
	return o
}

// Send passes the message to the test, and returns the test's answer.
func (o *overlap) Send(_ context.Context, m codes.Message) (string, error) {
	a := &attempt{codeIn(m), make(chan error)}
	o.asked <- a
	return "id", <-a.answer
}

// settle waits until every goroutine waits for the test.
func (o *overlap) settle() {
	synctest.Wait()
	o.clocked.tick()
	for len(o.asked) > 0 {
		a := <-o.asked
		next := slices.IndexFunc(o.made, func(m *made) bool { return m.code == "" }) // turns come in order
		o.made[next].attempt, o.made[next].code = a, a.code
	}
}

func (m *made) isOver() bool { return !time.Now().Before(m.turn.Add(overlapLifetime)) }

// current returns the last create that had its turn and whose message may have been
// sent, and its index. It is nil if that one was ended, or if there is none.
func (o *overlap) current() (int, *made) {
	for i, m := range slices.Backward(o.made) {
		if !m.refused && !m.turn.After(time.Now()) {
			if m.ended {
				return i, nil
			}
			return i, m
		}
	}
	return -1, nil
}

// end ends the current create and all before it.
func (o *overlap) end() {
	last, _ := o.current()
	for _, m := range o.made[:last+1] {
		m.ended = true
	}
}

// counted returns how many messages count under the limit.
func (o *overlap) counted() (n int) {
	for _, m := range o.made {
		if !m.refused && time.Since(m.reserved) < overlapSpan {
			n++
		}
	}
	return n
}

func (o *overlap) create(t *rapid.T) {
	kept := slices.DeleteFunc(slices.Clone(o.made), func(m *made) bool { return m.refused || m.ended })
	if len(kept) > codes.MaxPredecessors {
		return
	}
	if o.counted() == overlapMessages {
		o.limited("id", seattle, "SEND_LIMITS_TOTAL 7/40s")
		return
	}
	m := &made{done: make(chan error, 1), left: 3, reserved: time.Now(), turn: time.Now()}
	m.to = rapid.SampledFrom([]codes.Phone{seattle, toronto}).Draw(t, "to")
	if next := o.turn.Add(codestest.TurnSpan); next.After(m.turn) {
		m.turn = next
	}
	tooFar := time.Until(m.turn) > overlapWait
	if !tooFar {
		for len(kept) > 0 && kept[0].isOver() {
			kept[0].ended = true
			kept = kept[1:]
		}
		o.made, o.turn = append(o.made, m), m.turn
	}
	go func() {
		_, err := o.Create(context.Background(), request("id", m.to))
		m.done <- err
	}()
	o.settle()
	if !tooFar {
		return
	}
	if err := <-m.done; !errors.Is(err, codes.ErrUnavailable) {
		t.Fatalf("Create = %v without a turn", err)
	}
}

// answersOfCarrier are its answers, and whether the message was certainly not sent.
var answersOfCarrier = []struct {
	err     error
	refused bool
}{
	{nil, false},
	{codes.ErrUnconfirmed, false},
	{codes.ErrRejected, true},
	{codes.ErrSenderRefused, true},
	{tooMany(time.Minute), true},
}

func (o *overlap) answer(t *rapid.T) {
	due := slices.DeleteFunc(slices.Clone(o.made), func(m *made) bool { return m.attempt == nil })
	if len(due) == 0 {
		return
	}
	m := rapid.SampledFrom(due).Draw(t, "message")
	a := rapid.SampledFrom(answersOfCarrier).Draw(t, "answer")
	m.attempt.answer <- a.err
	if err := <-m.done; !errors.Is(err, a.err) {
		t.Fatalf("Create = %v, want %v", err, a.err)
	}
	m.attempt, m.refused = nil, a.refused
}

func (o *overlap) check(t *rapid.T) {
	sent := []codes.Code{"1"}
	for _, m := range o.made {
		if m.code != "" {
			sent = append(sent, m.code)
		}
	}
	o.checkCode(t, rapid.SampledFrom(sent).Draw(t, "code"))
}

func (o *overlap) checkCode(t *rapid.T, code codes.Code) {
	var want codes.Outcome
	_, m := o.current()
	switch {
	case m == nil || m.left == 0 || m.reported:
	case m.isOver():
		if time.Now().Before(m.turn.Add(overlapLifetime + overlapNotice)) {
			want, m.reported = expired, true
		}
	case code == m.code:
		want = right
		o.end()
	default:
		m.left--
		want = o.wrong(m.left, m.to)
	}
	got, err := o.Check(context.Background(), codes.CheckRequest{ID: "id", Code: code})
	if err != nil || codestest.Answer(got) != want {
		t.Fatalf("Check = %+v, %v; want %+v", got, err, want)
	}
}

func (o *overlap) cancel(t *rapid.T) {
	if err := o.Cancel(context.Background(), codes.CancelRequest{ID: "id"}); err != nil {
		t.Fatal(err)
	}
	o.end()
}

func (o *overlap) pass(t *rapid.T) {
	o.sleep(time.Duration(rapid.OneOf(rapid.IntRange(1, 30), rapid.IntRange(1, 300)).Draw(t, "tenths")) * time.Second / 10)
}

func (o *overlap) sleep(d time.Duration) {
	time.Sleep(d)
	o.settle()
}

// status compares the entry, without changing it.
func (o *overlap) status(t *rapid.T) {
	var want codes.Progress
	_, m := o.current()
	switch {
	case m == nil || m.left == 0 || m.reported:
	case !m.isOver():
		want = codes.Progress{Stage: codes.StagePending, AttemptsLeft: m.left, TTLLeft: time.Until(m.turn.Add(overlapLifetime))}
	case time.Now().Before(m.turn.Add(overlapLifetime + overlapNotice)):
		want.Stage = codes.StageExpired
	}
	got, err := o.Status(context.Background(), codes.StatusRequest{ID: "id"})
	if err != nil || got != want {
		t.Fatalf("Status = %+v, %v; want %+v", got, err, want)
	}
}

// drain ends every create, even after a failure.
func (o *overlap) drain() {
	o.sleep(2 * overlapWait)
	for _, m := range o.made {
		if m.attempt != nil {
			m.attempt.answer <- codes.ErrUnconfirmed
			if err := <-m.done; !errors.Is(err, codes.ErrUnconfirmed) {
				o.t.Errorf("Create = %v", err)
			}
			m.attempt = nil
		}
	}
}

// TestOverlappingCreates: a create that fails removes its own entry only, and does not
// count. The live entry is the one stored last among those whose message may have been
// sent. A right code or a cancel ends it and all before it.
func TestOverlappingCreates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hidden := struct{ testing.TB }{t} // hides t.Deadline, which panics in synctest
		rapid.Check(hidden, func(r *rapid.T) {
			o := newOverlap(t)
			defer o.drain()
			r.Repeat(map[string]func(*rapid.T){
				"create": o.create, "create more": o.create,
				"answer": o.answer, "answer more": o.answer,
				"check":  o.check,
				"cancel": o.cancel,
				"pass":   o.pass,
				"":       o.status, // after each
			})
			o.drain()
			o.status(r)
			if _, m := o.current(); m != nil {
				o.checkCode(r, m.code)
				o.status(r)
			}
		})
	})
}
