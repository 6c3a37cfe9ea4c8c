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

// carrier is a sender that returns given results, and records its attempts.
type carrier struct {
	results   []error         // of the attempts in turn; the last one repeats
	takes     time.Duration   // that each attempt takes
	start     time.Time       // from which at counts
	at        []time.Duration // when each attempt began
	notAfter  []time.Time
	deadlines []time.Time
}

func (c *carrier) Send(ctx context.Context, m codes.Message) (string, error) {
	result := c.results[min(len(c.at), len(c.results)-1)]
	deadline, _ := ctx.Deadline()
	c.at = append(c.at, time.Since(c.start))
	c.notAfter = append(c.notAfter, m.NotAfter)
	c.deadlines = append(c.deadlines, deadline)
	time.Sleep(c.takes)
	return "id", result
}

// clocked is a store whose clock runs, unlike the model's. Its turns may end, and its
// replies may be slow.
type clocked struct {
	*faultyStore
	f            *fixture
	last         time.Time
	turnLasts    time.Duration // 0: they do not end
	reserveDelay time.Duration // of the replies
	reservation  codes.Reservation
	deadline     time.Time // of the context of Reserve
	claim        codes.Claim
	ends         []time.Time // of the turns
}

func (s *clocked) tick() {
	s.f.model.Advance(time.Since(s.last))
	s.last = time.Now()
}

func (s *clocked) turn(t codes.Turn) codes.Turn {
	if s.turnLasts > 0 {
		t.End = t.Begin.Add(s.turnLasts)
	}
	s.ends = append(s.ends, t.End)
	return t
}

func (s *clocked) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	s.tick()
	s.reservation = r
	s.deadline, _ = ctx.Deadline()
	reserved, err := s.faultyStore.Reserve(ctx, r)
	time.Sleep(s.reserveDelay)
	reserved.Turn = s.turn(reserved.Turn)
	return reserved, err
}

func (s *clocked) NextTurn(ctx context.Context, r codes.Reservation) (codes.Turn, error) {
	s.tick()
	turn, err := s.faultyStore.NextTurn(ctx, r)
	return s.turn(turn), err
}

func (s *clocked) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	s.claim = c
	return s.faultyStore.Claim(ctx, c)
}

// delivery is a fixture with a carrier and a clocked store.
type delivery struct {
	*fixture
	carrier *carrier
	clocked *clocked
}

// deliver runs a test with a pace and the results of the carrier.
func deliver(t *testing.T, p codes.Pace, results []error, test func(d *delivery)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.limits().Pace = p
		d := &delivery{f, &carrier{results: results, start: time.Now()}, &clocked{faultyStore: f.store, f: f, last: time.Now()}}
		f.options.Store, f.options.Sender = d.clocked, d.carrier
		f.open()
		test(d)
	})
}

// creates makes a create that must end in want, with attempts at these times and this
// many turns after the first.
func (d *delivery) creates(want error, turns int, at ...time.Duration) {
	d.t.Helper()
	_, err := d.Create(context.Background(), request("id", seattle))
	var busy, wantBusy *codes.UnavailableError
	switch {
	case errors.As(want, &wantBusy):
		if !errors.As(err, &busy) || busy.RetryAfter != wantBusy.RetryAfter {
			d.t.Errorf("Create = %v, want unavailable for %v", err, wantBusy.RetryAfter)
		}
	case !errors.Is(err, want):
		d.t.Errorf("Create = %v, want %v", err, want)
	}
	if !slices.Equal(d.carrier.at, at) || d.store.calls["NextTurn"] != turns {
		d.t.Errorf("attempts at %v with %d further turns, want %v with %d", d.carrier.at, d.store.calls["NextTurn"], at, turns)
	}
	releases := 0
	if errors.Is(err, codes.ErrUnavailable) || errors.Is(err, codes.ErrRejected) || errors.Is(err, codes.ErrSenderRefused) {
		releases = 1
	}
	if n := d.store.calls["Release"]; n != releases {
		d.t.Errorf("%d releases after %v", n, err)
	}
}

// every returns a pace of one turn at a time.
func every(maxWait time.Duration) codes.Pace { return codes.Pace{Rate: 1, MaxWait: maxWait} }

// tooMany returns a carrier's error for status 429.
func tooMany(retryAfter time.Duration) error {
	return fmt.Errorf("carrier: %w", &codes.UnavailableError{RetryAfter: retryAfter, Cause: "429"})
}

var errNoConnection = fmt.Errorf("carrier: connection refused: %w", codes.ErrUnavailable)

// TestDeliver: a message that the carrier certainly did not accept is sent again, for as
// long as the request may wait. That needs another turn, unless nothing reached the
// carrier. A message that the carrier may have accepted is not sent again.
func TestDeliver(t *testing.T) {
	const second, turn = time.Second, codestest.TurnSpan
	list := func(times ...time.Duration) []time.Duration { return times }
	ms := func(times ...time.Duration) []time.Duration {
		for i := range times {
			times[i] *= time.Millisecond
		}
		return times
	}
	late, unforeseen := fmt.Errorf("carrier: %w", codes.ErrTooLate), errors.New("a sender that breaks its contract")
	unpaced := func(maxWait time.Duration) codes.Pace { return codes.Pace{MaxWait: maxWait} }
	for name, test := range map[string]struct {
		pace    codes.Pace
		results []error
		want    error
		at      []time.Duration
		turns   int // after the first
	}{
		"accepted":       {every(time.Minute), []error{nil}, nil, list(0), 0},
		"unconfirmed":    {every(time.Minute), []error{codes.ErrUnconfirmed}, codes.ErrUnconfirmed, list(0), 0},
		"rejected":       {every(time.Minute), []error{codes.ErrRejected}, codes.ErrRejected, list(0), 0},
		"sender refused": {every(time.Minute), []error{codes.ErrSenderRefused}, codes.ErrSenderRefused, list(0), 0},
		"unforeseen":     {every(time.Minute), []error{unforeseen}, unforeseen, list(0), 0},

		"429":                       {unpaced(3 * second), []error{tooMany(second), nil}, nil, list(0, second), 1},
		"429, in a turn":            {every(3 * second), []error{tooMany(second), nil}, nil, list(0, turn), 1},
		"429, later":                {unpaced(4 * second), []error{tooMany(2 * second), nil}, nil, list(0, 2*second), 1},
		"429, then rejected":        {unpaced(3 * second), []error{tooMany(second), codes.ErrRejected}, codes.ErrRejected, list(0, second), 1},
		"429, no time to wait":      {unpaced(second - 1), []error{tooMany(second)}, tooMany(second), list(0), 0},
		"429, no wait at all":       {unpaced(0), []error{tooMany(second)}, tooMany(second), list(0), 0},
		"429, always":               {unpaced(3 * second / 2), []error{tooMany(second)}, tooMany(second), list(0, second), 1},
		"429, next turn too far":    {every(second), []error{tooMany(second / 2)}, tooMany(second), list(0), 1},
		"late":                      {every(time.Minute), []error{late, nil}, nil, list(0, turn), 1},
		"late 5 times":              {every(time.Minute), []error{late, late, late, late, late, nil}, nil, list(0, turn, 2*turn, 3*turn, 4*turn, 5*turn), 5},
		"always late":               {every(time.Minute), []error{late}, codes.ErrTooLate, list(0, turn, 2*turn, 3*turn, 4*turn, 5*turn), 5},
		"no connection":             {every(2 * second), []error{errNoConnection, errNoConnection, nil}, nil, ms(0, 50, 150), 0},
		"never a connection":        {every(2 * second), []error{errNoConnection}, errNoConnection, ms(0, 50, 150, 350, 750, 1550), 0},
		"pauses of a second":        {every(4600 * time.Millisecond), []error{errNoConnection}, errNoConnection, ms(0, 50, 150, 350, 750, 1550, 2550, 3550, 4550), 0},
		"no connection, no wait":    {every(0), []error{errNoConnection}, errNoConnection, list(0), 0},
		"connected but unconfirmed": {every(2 * second), []error{errNoConnection, codes.ErrUnconfirmed}, codes.ErrUnconfirmed, ms(0, 50), 0},
	} {
		t.Run(name, func(t *testing.T) {
			deliver(t, test.pace, test.results, func(d *delivery) {
				d.clocked.turnLasts = 200 * time.Millisecond
				d.creates(test.want, test.turns, test.at...)
				for i, notAfter := range d.carrier.notAfter {
					if want := d.clocked.ends[min(i, test.turns)]; !notAfter.Equal(want) {
						t.Errorf("attempt %d may be made until %v, want the end of its turn, %v", i, notAfter, want)
					}
				}
			})
		})
	}
}

// TestDeliverSlowDials: the time that failed dials take counts as waiting.
func TestDeliverSlowDials(t *testing.T) {
	deliver(t, every(2*time.Second), []error{errNoConnection}, func(d *delivery) {
		d.carrier.takes = 900 * time.Millisecond
		d.creates(errNoConnection, 0, 0, 950*time.Millisecond, 1950*time.Millisecond)
	})
}

// TestDeliverAfterAPause: a replica that was paused between its reservation and the
// first byte does not send at another message's turn.
func TestDeliverAfterAPause(t *testing.T) {
	deliver(t, every(5*time.Second), []error{nil}, func(d *delivery) {
		d.clocked.turnLasts, d.clocked.reserveDelay = 200*time.Millisecond, 3*time.Second
		service := d.sending(d.sender) // it obeys NotAfter
		if _, err := service.Create(context.Background(), request("id", seattle)); err != nil {
			t.Fatal(err)
		}
		m := d.sender.Messages()
		if len(m) != 1 || d.store.calls["NextTurn"] != 1 || !m[0].NotAfter.Equal(d.clocked.ends[1]) {
			t.Errorf("%d messages, %d further turns, want 1 in the second turn", len(m), d.store.calls["NextTurn"])
		}
	})
}

// TestDeliverWaitsTogether: the waits for a turn and for the carrier share one MaxWait.
func TestDeliverWaitsTogether(t *testing.T) {
	const turn = codestest.TurnSpan
	for maxWait, at := range map[time.Duration][]time.Duration{2 * time.Second: {turn}, 3 * time.Second: {turn, 2 * turn}} {
		deliver(t, every(maxWait), []error{nil, tooMany(time.Second)}, func(d *delivery) {
			if _, err := d.Create(context.Background(), request("before", toronto)); err != nil {
				t.Fatal(err)
			}
			d.creates(tooMany(time.Second), len(at)-1, append([]time.Duration{0}, at...)...)
		})
	}
}

// TestDeliverNothingAfterTheDeadline: a request past its deadline sends nothing, and its
// reservation is released.
func TestDeliverNothingAfterTheDeadline(t *testing.T) {
	const maxWait = 2 * time.Second // and 10 s for the sender
	for name, test := range map[string]struct {
		reserves, sends time.Duration // how long each takes
		want            error
		at              []time.Duration
	}{
		"slow reservation":         {lease + time.Millisecond, 0, codes.ErrTooLate, nil},
		"reservation just in time": {lease - time.Millisecond, 0, nil, []time.Duration{lease - time.Millisecond}},
		"slow sender":              {0, lease + time.Millisecond, codes.ErrTooLate, []time.Duration{0}},
	} {
		t.Run(name, func(t *testing.T) {
			deliver(t, every(maxWait), []error{test.want}, func(d *delivery) {
				d.clocked.reserveDelay, d.carrier.takes = test.reserves, test.sends
				d.creates(test.want, 0, test.at...)
			})
		})
	}
	t.Run("arrived long ago", func(t *testing.T) {
		deliver(t, every(maxWait), []error{nil}, func(d *delivery) {
			r := request("id", seattle)
			r.Arrived = time.Now().Add(-lease - time.Millisecond)
			if _, err := d.Create(context.Background(), r); !errors.Is(err, codes.ErrUnavailable) {
				t.Errorf("Create = %v", err)
			}
			if len(d.carrier.at) != 0 {
				t.Error("something was sent")
			}
			d.check("id", "1", unknown)
		})
	})
}

// TestOneDeadline: store and sender have the same deadline. It counts from the arrival
// of the request, as does the time that it may wait.
func TestOneDeadline(t *testing.T) {
	for _, key := range []codes.IdempotencyKey{{}, aKey} {
		deliver(t, every(2*time.Second), []error{tooMany(time.Second / 2), nil}, func(d *delivery) {
			r := keyed(key, "id", seattle)
			arrived := time.Now().Add(-500 * time.Millisecond)
			r.Arrived = arrived
			if _, err := d.Create(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			want := arrived.Add(lease)
			if c := d.clocked; !c.deadline.Equal(want) || c.reservation.WaitLeft != 1500*time.Millisecond || c.reservation.Caller != "shop" {
				t.Errorf("reserved for %q until %v with %v to wait, want shop, %v, 1.5s", c.reservation.Caller, c.deadline, c.reservation.WaitLeft, want)
			}
			for i, deadline := range d.carrier.deadlines {
				if !deadline.Equal(want) {
					t.Errorf("attempt %d may last until %v, want %v", i, deadline, want)
				}
			}
			if n := len(d.carrier.deadlines); n != 2 {
				t.Errorf("%d attempts", n)
			}
			if want := lease - 500*time.Millisecond; key.Value != "" && d.clocked.claim.Lease != want {
				t.Errorf("the lease is %v, want %v", d.clocked.claim.Lease, want)
			}
		})
	}
}

// TestDeliverBounds: no request waits longer than MaxWait or sends after an answer that
// is final, whatever the carrier answers and however slow store and carrier are.
func TestDeliverBounds(t *testing.T) {
	anyResult := rapid.SampledFrom([]error{
		errNoConnection, errNoConnection, codes.ErrTooLate, tooMany(100 * time.Millisecond), tooMany(time.Second),
		codes.ErrUnconfirmed, codes.ErrRejected, nil,
	})
	anyTime := rapid.Map(rapid.IntRange(0, 2000), func(n int) time.Duration { return time.Duration(n) * time.Millisecond })
	rapid.Check(t, func(r *rapid.T) {
		maxWait, rate := 2*anyTime.Draw(r, "max wait"), rapid.IntRange(0, 2).Draw(r, "rate")
		results := rapid.SliceOfN(anyResult, 1, 9).Draw(r, "results")
		takes, delay := anyTime.Draw(r, "an attempt takes"), 7*anyTime.Draw(r, "reservation takes")
		deliver(t, codes.Pace{Rate: rate, MaxWait: maxWait}, results, func(d *delivery) {
			d.carrier.takes, d.clocked.reserveDelay = takes, delay
			start := time.Now()
			_, err := d.Create(context.Background(), request("id", seattle))
			at := d.carrier.at
			for i, began := range at {
				if last := results[max(0, min(i, len(results))-1)]; i > 0 && !errors.Is(last, codes.ErrUnavailable) {
					r.Errorf("another attempt after %v", last)
				}
				if began > maxWait+10*time.Second {
					r.Errorf("an attempt at %v", began)
				}
			}
			if waited := time.Since(start) - delay - time.Duration(len(at))*takes; waited > maxWait {
				r.Errorf("waited for %v, at most %v is allowed; attempts at %v, %v", waited, maxWait, at, err)
			}
		})
	})
}
