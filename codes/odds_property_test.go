package codes_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowroute/sms-verification/codes"
)

// target is a number under attack: the counts of its limits, and its live entries.
type target struct {
	limits     codes.Limits
	attempts   int64
	expiration time.Duration

	now      time.Duration
	sent     []time.Duration // when the messages that count were sent
	refunded []time.Duration // when receipts refunded messages
	wrong    []time.Duration // when wrong codes were compared
	entries  []targetEntry   // oldest first
}

type targetEntry struct {
	made time.Duration
	left int64
}

// full reports whether a limit is reached.
func (t *target) full(events []time.Duration, windows []codes.Window) bool {
	return slices.ContainsFunc(windows, func(w codes.Window) bool {
		n := len(events) - int(w.Max)
		return n >= 0 && events[n]+w.Span > t.now
	})
}

func (t *target) create() bool {
	if t.full(t.sent, t.limits.Sends) || t.full(t.wrong, t.limits.Guesses) {
		return false
	}
	t.sent = append(t.sent, t.now)
	t.entries = append(t.entries, targetEntry{t.now, t.attempts})
	return true
}

// guess enters wrong codes for the oldest entry. If the carrier refuses its message, it
// does so after the last attempt.
func (t *target) guess(n int64, refused bool) {
	e := &t.entries[0]
	for range min(n, e.left) {
		t.wrong = append(t.wrong, t.now)
		e.left--
	}
	if e.left > 0 {
		return
	}
	if refused {
		t.uncount(e.made)
	}
	t.entries = t.entries[1:]
}

// uncount removes a message from those that count.
func (t *target) uncount(made time.Duration) {
	if i := slices.Index(t.sent, made); i >= 0 {
		t.sent = slices.Delete(t.sent, i, i+1)
	}
}

// reject refunds the latest message as a receipt does: at most as many as the send
// limits allow.
func (t *target) reject() {
	if t.limits.Refunds && !t.full(t.refunded, t.limits.Sends) {
		t.refunded = append(t.refunded, t.now)
		t.uncount(t.now)
	}
}

func (t *target) advance(d time.Duration) {
	t.now += d
	t.entries = slices.DeleteFunc(t.entries, func(e targetEntry) bool { return t.now >= e.made+t.expiration })
}

// attacker is greedy: it makes all entries that it can, and guesses at all of them at
// once, at times of its choice.
type attacker struct {
	step    time.Duration
	pauses  []int // steps between its bursts, repeated
	sips    bool  // also guesses whenever that does not stop it from making entries
	refused bool  // the carrier refuses every message, after its guesses
}

func (a attacker) run(t *target, until time.Duration) {
	burst, pause := 0, 0
	for ; t.now < until; t.advance(a.step) {
		a.collect(t)
		if pause--; pause > 0 {
			continue
		}
		pause = a.pauses[burst%len(a.pauses)]
		burst++
		for n := len(t.entries); n > 0; n-- {
			t.guess(t.attempts, a.refused)
		}
		if !a.refused {
			a.collect(t) // if the burst has not reached the limit
		}
	}
}

// collect makes entries until a limit is reached.
func (a attacker) collect(t *target) {
	for t.create() {
		t.reject()
		for a.sips && a.spare(t) > 0 && len(t.entries) > 0 {
			t.guess(a.spare(t), a.refused)
		}
	}
}

// spare returns how many guesses leave every guess limit one short of being reached.
func (a attacker) spare(t *target) int64 {
	spare := int64(1 << 30)
	for _, w := range t.limits.Guesses {
		counted := int64(0)
		for i := len(t.wrong) - 1; i >= 0 && t.wrong[i]+w.Span > t.now && counted < w.Max; i-- {
			counted++
		}
		spare = min(spare, w.Max-1-counted)
	}
	return spare
}

// mostPerDay returns the largest number of wrong codes in any 24 hours.
func (t *target) mostPerDay() (most int) {
	first := 0
	for i, at := range t.wrong {
		for t.wrong[first]+24*time.Hour <= at {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// TestGreedyAttacker: no greedy attacker gets more wrong codes compared in a
// day than the formula says.
func TestGreedyAttacker(t *testing.T) {
	const unit = 30 * time.Minute
	closest := 0.0
	rapid.Check(t, func(r *rapid.T) {
		windows := func(name string) []codes.Window {
			list := make([]codes.Window, rapid.IntRange(1, 2).Draw(r, name+" windows"))
			for i := range list {
				list[i].Max = rapid.Int64Range(1, 6).Draw(r, name)
				list[i].Span = time.Duration(rapid.SampledFrom([]int{1, 2, 3, 5, 7, 16, 24, 47, 48, 50, 96}).Draw(r, name+" span")) * unit
			}
			return list
		}
		victim := &target{
			limits:     codes.Limits{Sends: windows("sends"), Guesses: windows("guesses"), Refunds: rapid.Bool().Draw(r, "refunds")},
			attempts:   rapid.Int64Range(1, 4).Draw(r, "attempts"),
			expiration: time.Duration(rapid.SampledFrom([]int{1, 2, 3, 4, 9, 48, 60, 150}).Draw(r, "expiration")) * unit,
		}
		attacker{
			step:    unit,
			pauses:  rapid.SliceOfN(rapid.IntRange(1, 60), 1, 3).Draw(r, "pauses"),
			sips:    rapid.Bool().Draw(r, "sips"),
			refused: rapid.Bool().Draw(r, "refused"),
		}.run(victim, victim.expiration+3*24*time.Hour)
		got, most := float64(victim.mostPerDay()), codes.MaxGuessesPerDay(victim.limits, victim.attempts, victim.expiration)
		closest = max(closest, got/most)
		if got > most {
			r.Fatalf("%g wrong codes compared in a day, more than %g", got, most)
		}
	})
	t.Logf("the closest that an attacker came to the formula: %.2f", closest)
	if closest < 0.8 {
		t.Error("no attacker came close: they are not greedy, or the formula says too much")
	}
}

// TestOvershootInEveryWindow: with windows of seconds an attacker exceeds the limit
// 43,200 times a day.
func TestOvershootInEveryWindow(t *testing.T) {
	window := []codes.Window{{Max: 5, Span: 2 * time.Second}}
	victim := &target{limits: codes.Limits{Sends: window, Guesses: window}, attempts: 5, expiration: 10 * time.Minute}
	attacker{step: 2 * time.Second, pauses: []int{1}}.run(victim, 24*time.Hour)
	got, most := victim.mostPerDay(), codes.MaxGuessesPerDay(victim.limits, victim.attempts, victim.expiration)
	if got != 1_080_000 {
		t.Errorf("%d wrong codes compared in a day, want 1,080,000: the attacker changed", got)
	}
	if float64(got) > most || most > 3*float64(got) {
		t.Errorf("the formula says %g, %d were possible", most, got)
	}
}
