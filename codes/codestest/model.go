// Package codestest holds the specification of package codes as code: a
// reference model in memory, and the suites that every store passes.
package codestest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Model is a codes.Store in memory, written to be evidently correct: one lock, a
// clock that stands still until it is advanced, and nothing is forgotten unless the
// interfaces say so.
type Model struct {
	mu       sync.Mutex
	now      time.Duration
	entries  map[codes.Digest][]*version // the oldest first
	counted  map[subject][]event
	refunds  map[codes.Digest][]event
	failures map[codes.Digest][]event
	turns    []event                             // sorted by time
	asked    map[string]time.Duration            // when each caller last asked for a turn
	verified map[subject]map[time.Duration]int64 // codes, by quarters of an hour
	claims   map[codes.Digest]*modelClaim
	messages map[codes.Digest]*modelMessage
	answers  map[call]any
}

// call is a call under an op, which has one answer.
type call struct {
	method string
	op     codes.Op
}

// version is an entry as one reservation made it.
type version struct {
	codes.Entry
	op        codes.Op
	senders   []codes.Op    // op and those that sent the code again, except those released
	canResend bool          // it was stored with SameCode
	start     time.Duration // its turn
	end       time.Duration
	left      int64             // attempts
	noticeEnd time.Duration     // until then a check reports that it expired; 0 once one did
	message   codes.SentMessage // the newest that holds its code
}

type event struct {
	op     codes.Op
	at     time.Duration
	caller string // of a turn
}

type modelReserved struct {
	turn, replaced time.Duration
	resent         *codes.Resent
}

// NewModel returns an empty Model.
func NewModel() *Model {
	return &Model{
		entries:  map[codes.Digest][]*version{},
		counted:  map[subject][]event{},
		refunds:  map[codes.Digest][]event{},
		failures: map[codes.Digest][]event{},
		claims:   map[codes.Digest]*modelClaim{},
		messages: map[codes.Digest]*modelMessage{},
		asked:    map[string]time.Duration{},
		verified: map[subject]map[time.Duration]int64{},
		answers:  map[call]any{},
	}
}

// Advance advances the model's clock.
func (m *Model) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d
}

// once runs a call under the lock, or returns its answer if it ran before.
func once[A any](ctx context.Context, m *Model, c call, run func() (A, error)) (answer A, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if answer, ok := m.answers[c]; ok {
		return answer.(A), nil
	}
	if ctx.Err() != nil {
		return answer, codes.ErrUnavailable
	}
	if answer, err = run(); err == nil {
		m.answers[c] = answer
	}
	return answer, err
}

// Reserve counts a message, reserves its turn and stores its entry.
func (m *Model) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	var shadowed *codes.LimitError // a retry does not report it
	done, err := once(ctx, m, call{"reserve", r.Op}, func() (modelReserved, error) {
		if refused := m.reached(r.Limits, false); refused != nil {
			return modelReserved{}, refused
		}
		shadowed = m.reached(r.Limits, true)
		turn, err := m.reserveTurn(r)
		if err != nil {
			return modelReserved{}, err
		}
		for _, l := range r.Limits {
			if l.Reserves() {
				m.count(subjectOf(l), r.Op)
			}
		}
		if resent := m.resend(r, turn); resent != nil {
			return modelReserved{turn: turn, resent: resent}, nil
		}
		return modelReserved{turn: turn, replaced: m.store(r, turn)}, nil
	})
	if err != nil {
		return codes.Reserved{}, err
	}
	return codes.Reserved{
		Turn: m.turn(done.turn), Replaced: done.replaced, ResendAfter: m.again(r.Limits), Resent: done.resent, Shadowed: shadowed,
	}, nil
}

// resend makes r a sender of the newest version, if its code is to be sent again.
func (m *Model) resend(r codes.Reservation, turn time.Duration) *codes.Resent {
	versions := m.replaceable(r.Entry.Name)
	if len(versions) == 0 {
		return nil
	}
	v := versions[len(versions)-1]
	toThem := v.Recipient == r.Entry.Recipient || v.Recipient == r.PreviousRecipient
	sameKind := v.Digits == r.Entry.Digits && (v.Digits > 0 || v.Code == r.Entry.Code)
	if !r.SameCode || !v.canResend || !toThem || !sameKind || v.left == 0 || 2*(v.end-turn) < v.Lifetime {
		return nil
	}
	v.senders = append(v.senders, r.Op)
	m.keepAs(r.Entry.Name, versions)
	return &codes.Resent{Code: v.Code, Op: v.op, AttemptsLeft: v.left, TTLLeft: v.end - turn}
}

// store adds a version to an entry. It returns the lifetime that the previous one had
// left.
func (m *Model) store(r codes.Reservation, turn time.Duration) time.Duration {
	name := r.Entry.Name
	versions := m.replaceable(name)
	replaced := time.Duration(0)
	if len(versions) > 0 {
		replaced = m.ttl(versions[len(versions)-1])
	}
	end := turn + r.Entry.Lifetime
	versions = append(versions, &version{
		Entry: r.Entry, op: r.Op, senders: []codes.Op{r.Op}, canResend: r.SameCode,
		start: turn, end: end, left: r.Entry.Attempts, noticeEnd: end + r.Entry.Notice,
	})
	versions = versions[max(0, len(versions)-1-codes.MaxPredecessors):]
	m.keepAs(name, versions)
	return replaced
}

// replaceable returns the versions that can be restored when a new one is released:
// all but those at the start of the list that have expired.
func (m *Model) replaceable(n codes.EntryName) []*version {
	versions := m.versions(n)
	for len(versions) > 0 && versions[0].end <= m.now {
		versions = versions[1:]
	}
	return versions
}

// keepAs is keep, with all versions moved to the current secret.
func (m *Model) keepAs(n codes.EntryName, versions []*version) {
	for _, v := range versions {
		v.Name = n
	}
	m.keep(n, versions)
}

// versions returns a copy of the list of an entry's versions, under both secrets.
func (m *Model) versions(n codes.EntryName) []*version {
	if n.Previous == (codes.Digest{}) {
		return slices.Clone(m.entries[n.Current])
	}
	return slices.Concat(m.entries[n.Previous], m.entries[n.Current])
}

// keep replaces the versions of an entry. Each stays under its own secret.
func (m *Model) keep(n codes.EntryName, versions []*version) {
	delete(m.entries, n.Current)
	delete(m.entries, n.Previous)
	for _, v := range versions {
		m.entries[v.Name.Current] = append(m.entries[v.Name.Current], v)
	}
}

// current returns the versions of an entry and the index of the valid one: the
// newest whose turn has come. The index is -1 if there is none.
func (m *Model) current(n codes.EntryName) ([]*version, int) {
	versions := m.versions(n)
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].start <= m.now {
			return versions, i
		}
	}
	return versions, -1
}

// ttl is the lifetime that a version has left; 0 if it is not live.
func (m *Model) ttl(v *version) time.Duration {
	if v.left == 0 {
		return 0
	}
	return max(0, v.end-m.now)
}

// Release undoes a reservation.
func (m *Model) Release(ctx context.Context, r codes.Reservation) (bool, error) {
	return once(ctx, m, call{"release", r.Op}, func() (bool, error) {
		for _, l := range r.Limits {
			if l.Reserves() {
				m.counted[subjectOf(l)] = without(m.counted[subjectOf(l)], r.Op)
			}
		}
		versions := m.versions(r.Entry.Name)
		i := slices.IndexFunc(versions, func(v *version) bool { return slices.Contains(v.senders, r.Op) })
		if i < 0 {
			return false, nil
		}
		if v := versions[i]; len(v.senders) > 1 {
			v.senders = slices.DeleteFunc(v.senders, func(op codes.Op) bool { return op == r.Op })
			return false, nil
		}
		wasLive := m.ttl(versions[i]) > 0
		m.keep(r.Entry.Name, slices.Delete(versions, i, i+1))
		return wasLive, nil
	})
}

// Check compares a code.
func (m *Model) Check(ctx context.Context, c codes.Check) (codes.Checked, error) {
	return once(ctx, m, call{"check", c.Op}, func() (codes.Checked, error) {
		versions, i := m.current(c.Name)
		if i < 0 || versions[i].left == 0 {
			return codes.Checked{}, nil
		}
		v := versions[i]
		ttl := m.ttl(v)
		if ttl == 0 {
			if m.now >= v.noticeEnd {
				return codes.Checked{}, nil
			}
			v.noticeEnd = 0
			return codes.Checked{Outcome: codes.Outcome{Status: codes.Expired}}, nil
		}
		if c.Recipient != (codes.Digest{}) && v.Recipient != c.Recipient && v.Recipient != c.PreviousRecipient {
			return codes.Checked{}, nil
		}
		checked := codes.Checked{Outcome: codes.Outcome{Recipient: v.Recipient}, Area: v.Area}
		if v.Code == c.Code || c.Name.Previous != (codes.Digest{}) && v.Code == c.PreviousCode {
			checked.Status, checked.TTLLeft = codes.Right, ttl
			m.keep(c.Name, versions[i+1:])
			if c.CountVerified && v.Destination != (codes.Destination{}) {
				m.verify(v.Destination, v.senders)
			}
			return checked, nil
		}
		v.left--
		checked.Status, checked.AttemptsLeft = codes.Wrong, v.left
		if v.left == 0 {
			checked.TTLLeft = ttl
			if i == 0 { // with earlier versions it stays, as they may become valid again
				m.keep(c.Name, versions[1:])
			}
		}
		if len(c.Guesses) > 0 {
			m.count(subject{kind: codes.GuessLimit, who: v.Recipient}, c.Op)
		}
		return checked, nil
	})
}

// Cancel removes an entry.
func (m *Model) Cancel(ctx context.Context, c codes.Cancel) (time.Duration, error) {
	return once(ctx, m, call{"cancel", c.Op}, func() (time.Duration, error) {
		versions, i := m.current(c.Name)
		if i < 0 {
			return 0, nil
		}
		ttl := m.ttl(versions[i])
		m.keep(c.Name, versions[i+1:])
		return ttl, nil
	})
}

// Peek returns what can be seen of an entry.
func (m *Model) Peek(_ context.Context, n codes.EntryName) (codes.EntryView, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	versions, i := m.current(n)
	if i < 0 || versions[i].left == 0 {
		return codes.EntryView{}, nil
	}
	v := versions[i]
	ttl := m.ttl(v)
	switch {
	case ttl == 0 && m.now < v.noticeEnd:
		return codes.EntryView{Stage: codes.StageExpired}, nil
	case ttl == 0:
		return codes.EntryView{}, nil
	}
	view := codes.EntryView{Stage: codes.StagePending, AttemptsLeft: v.left, TTLLeft: ttl}
	if slices.Contains(v.senders, v.message.Op) {
		view.Stage, view.Message = codes.StageSent, v.message.Message
	}
	return view, nil
}
