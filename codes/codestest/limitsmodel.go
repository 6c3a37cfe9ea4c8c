package codestest

import (
	"context"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// subject identifies whose events a limit counts.
type subject struct {
	kind codes.LimitKind
	who  codes.Digest
	at   codes.Destination
}

func subjectOf(l codes.Limit) subject {
	s := subject{kind: l.Kind, who: l.Subject}
	switch l.Kind {
	case codes.ExchangeLimit:
		s.at.Exchange = l.Destination.Exchange
	case codes.AreaLimit:
		s.at.AreaCode = l.Destination.AreaCode
	}
	return s
}

// unverified returns the subjects of a destination.
func unverified(d codes.Destination) (all [3]subject) {
	for i := range all {
		all[i] = subjectOf(codes.Limit{Kind: codes.ExchangeLimit + codes.LimitKind(i), Destination: d})
	}
	return all
}

// again returns how long until the recipient may get another message.
func (m *Model) again(limits []codes.Limit) (longest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range limits {
		for _, w := range l.Windows {
			if l.Kind == codes.SendLimit {
				longest = max(longest, m.waitFor(w, m.counted[subjectOf(l)]))
			}
		}
	}
	return longest
}

// reached returns the limit that has no room: of those with Shadow the first, of the
// others the one that clears last.
func (m *Model) reached(limits []codes.Limit, shadow bool) (last *codes.LimitError) {
	longest := time.Duration(0)
	for _, l := range limits {
		for _, w := range l.Windows {
			s := subjectOf(l)
			w.Max += w.Percent * m.verifiedIn(s) / 100
			if wait := m.waitFor(w, m.counted[s]); l.Shadow == shadow && wait > longest && (last == nil || !shadow) {
				longest = wait
				last = &codes.LimitError{Kind: l.Kind, Limit: l.Kind.Setting() + " " + w.Text, RetryAfter: wholeSeconds(wait)}
			}
		}
	}
	if last != nil && shadow {
		last.RetryAfter = 0 // nobody has to wait
	}
	return last
}

// verifiedIn returns how many codes were verified in the last 24 hours, in steps of a
// quarter of an hour.
func (m *Model) verifiedIn(s subject) (n int64) {
	for at, count := range m.verified[s] {
		if m.now/quarter-at < 24*time.Hour/quarter {
			n += count
		}
	}
	return n
}

const quarter = 15 * time.Minute

// CountVerified counts a right code for its destination.
func (m *Model) CountVerified(_ context.Context, v codes.VerifiedMessages) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.verify(v.Destination, v.Ops)
	return nil
}

// verify counts a code that was entered, if any of its messages is counted as
// unverified, and uncounts them.
func (m *Model) verify(d codes.Destination, ops []codes.Op) {
	wasCounted := false
	for _, s := range unverified(d) {
		for _, op := range ops {
			n := len(m.counted[s])
			m.counted[s] = without(m.counted[s], op)
			wasCounted = wasCounted || len(m.counted[s]) < n
		}
	}
	for _, s := range unverified(d) {
		if m.verified[s] == nil {
			m.verified[s] = map[time.Duration]int64{}
		}
		if wasCounted {
			m.verified[s][m.now/quarter]++
		}
	}
}

// waitFor returns how long until a window allows one more event.
func (m *Model) waitFor(w codes.Window, events []event) time.Duration {
	if int64(len(events)) < w.Max {
		return 0
	}
	return max(0, events[int64(len(events))-w.Max].at+w.Span-m.now)
}

func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

func (m *Model) count(s subject, op codes.Op) {
	m.counted[s] = append(m.counted[s], event{op: op, at: m.now})
}

func without(events []event, op codes.Op) []event {
	for i, e := range slices.Backward(events) { // most are recent
		if e.op == op {
			return slices.Delete(events, i, i+1)
		}
	}
	return events
}

// Refund uncounts a message that was rejected on its way.
func (m *Model) Refund(ctx context.Context, op codes.Op, limits []codes.Limit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return codes.ErrUnavailable
	}
	l := limits[0]
	refunds := m.refunds[l.Subject]
	if slices.ContainsFunc(refunds, func(e event) bool { return e.op == op }) {
		return nil
	}
	for _, w := range l.Windows {
		if m.waitFor(w, refunds) > 0 {
			return nil
		}
	}
	m.refunds[l.Subject] = append(refunds, event{op: op, at: m.now})
	for _, l := range limits {
		m.counted[subjectOf(l)] = without(m.counted[subjectOf(l)], op)
	}
	return nil
}

// CountFailure counts a failed authentication of an address, or returns a
// *codes.LimitError if the window has no room.
func (m *Model) CountFailure(_ context.Context, address codes.Digest, w codes.Window) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wait := m.waitFor(w, m.failures[address]); wait > 0 {
		return &codes.LimitError{Limit: "failed API keys " + w.Text, RetryAfter: wholeSeconds(wait)}
	}
	m.failures[address] = append(m.failures[address], event{at: m.now})
	return nil
}

// CountGuess counts a wrong code for its number.
func (m *Model) CountGuess(ctx context.Context, recipient codes.Digest, op codes.Op, _ []codes.Window) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := subject{kind: codes.GuessLimit, who: recipient}
	if ctx.Err() != nil {
		return codes.ErrUnavailable
	}
	if !slices.ContainsFunc(m.counted[s], func(e event) bool { return e.op == op }) {
		m.count(s, op)
	}
	return nil
}
