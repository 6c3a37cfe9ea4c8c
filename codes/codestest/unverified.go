package codestest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunUnverified checks the limits on messages whose code is not entered.
func RunUnverified(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"by exchange, by area code, in all": func(s suite) {
			for limit, test := range map[string]struct {
				pass   []codes.Destination
				refuse codes.Destination
			}{
				"exchange:2/1h": {[]codes.Destination{seattle, seattle, tacoma}, seattle},
				"area:2/1h":     {[]codes.Destination{seattle, tacoma, toronto}, tacoma},
				"all:3/1h":      {[]codes.Destination{seattle, tacoma, toronto}, toronto},
			} {
				isolated(func(s suite) {
					u := s.under(limit)
					for _, d := range test.pass {
						u.send(d)
					}
					u.refuses(test.refuse, limit)
				})(s)
			}
		},
		"a verified code makes room": isolated(func(s suite) {
			u := s.under("exchange:2/1h,area:2/1h,all:2/1h")
			recipient := sends(Fresh(), Windows(s, "1/1h"))
			first := u.send(seattle)
			u.send(seattle)
			s.refused(withLimits(u.to(seattle), recipient), "UNVERIFIED_LIMITS exchange:2/1h")
			s.verified(first)
			s.reserve(withLimits(u.to(seattle), recipient)) // the refused one counted nowhere
			u.refuses(seattle, "exchange:2/1h")
			s.unknown(first.Entry) // and changes nothing
			u.refuses(seattle, "exchange:2/1h")
		}),
		// A limit allows in addition a percentage, rounded down, of the codes verified in the
		// last 24 hours in the area code, or in all.
		"a share of the verified codes": isolated(func(s suite) {
			u := s.under("area:1/1h+50%,all:2/1h+100%")
			wide := s.under("exchange:100/1h,area:100/1h,all:100/1h")
			verify := func(d codes.Destination) { s.verified(wide.send(d)) }
			u.send(seattle)
			verify(seattle)
			u.refuses(tacoma, "area:1/1h+50%")
			verify(tacoma)
			u.send(tacoma)
			u.refuses(tacoma, "area:1/1h+50%")
			u.send(toronto)
			verify(toronto)
			u.limits.Area = nil
			u.send(toronto) // 2 plus 3 verified
			u.send(toronto)
			u.refuses(toronto, "all:2/1h+100%")
		}),
		"verified, and counted again": isolated(func(s suite) {
			u := s.under("all:1/1h+100%")
			first := u.send(seattle)
			s.verified(first)
			for range 3 {
				v := codes.VerifiedMessages{Destination: seattle, Ops: []codes.Op{first.Op}}
				if err := s.Store.CountVerified(context.Background(), v); err != nil {
					s.Fatal(err)
				}
			}
			u.send(seattle)
			u.send(seattle)
			u.refuses(seattle, "all:1/1h+100%")
		}),
		// A message stays counted if its entry ends without its code being entered.
		"what makes no room": isolated(func(s suite) {
			u := s.under("all:4/1h")
			replaced, cancelled, used := u.send(seattle), u.send(seattle), u.send(seattle)
			after := u.to(seattle)
			after.Entry.Name = replaced.Entry.Name
			s.reserve(after)
			s.cancel(cancelled.Entry)
			s.useUp(used.Entry)
			u.refuses(seattle, "all:4/1h")
			s.verified(after) // uncounts its message, not that of the replaced entry
			u.send(seattle)
			u.refuses(seattle, "all:4/1h")
		}),
		"a released message makes room": isolated(func(s suite) {
			u := s.under("exchange:1/1h,area:1/1h,all:1/1h")
			r := u.send(seattle)
			s.reserve(r) // repeated
			u.refuses(seattle, "exchange:1/1h")
			s.release(r, true)
			u.send(seattle)
		}),
		"a rejected message makes room, once": isolated(func(s suite) {
			u := s.under("exchange:2/1h,all:2/1h")
			r := u.send(seattle)
			u.send(seattle)
			bound := sends(r.Entry.Recipient, Windows(s, "5/1h"))
			for range 2 {
				s.refund(r, append([]codes.Limit{bound}, r.Limits...)...)
			}
			s.verified(r) // rejected, but the code arrived
			u.send(seattle)
			u.refuses(seattle, "exchange:2/1h")
		}),
		"rejected after it was verified": isolated(func(s suite) {
			u := s.under("all:1/1h+100%")
			r := u.send(seattle)
			s.verified(r)
			s.refund(r, append([]codes.Limit{sends(Fresh(), Windows(s, "5/1h"))}, r.Limits...)...)
			u.send(seattle)
			u.send(seattle) // the code counts as verified
			u.refuses(seattle, "all:1/1h+100%")
		}),
		"a code that was sent again": isolated(func(s suite) {
			u := s.under("all:3/1h")
			first := u.to(seattle)
			first.SameCode, first.Entry.Digits = true, 6
			s.reserve(first)
			s.resent(another(first), first, 3)
			s.resent(another(first), first, 3)
			u.refuses(seattle, "all:3/1h")
			s.verified(first)
			for range 3 {
				u.send(seattle)
			}
			u.refuses(seattle, "all:3/1h")
		}),
		"the span": isolated(func(s suite) {
			u := s.under("exchange:2/3s")
			u.send(seattle)
			s.Advance(time.Second)
			u.send(seattle)
			s.clears(func() codes.Reservation { return u.to(seattle) }, "UNVERIFIED_LIMITS exchange:2/3s")
		}),
		"shadow": isolated(func(s suite) {
			u := s.under("exchange:1/1h,all:2/2h")
			u.limits.Mode = codes.UnverifiedShadow
			u.shadows(seattle, "")
			u.shadows(seattle, "exchange:1/1h")
			u.shadows(toronto, "all:2/2h")
			u.shadows(seattle, "exchange:1/1h")     // the first, though all clears later
			u.limits.Mode = codes.UnverifiedEnforce // messages sent in shadow mode count
			u.refuses(tacoma, "all:2/2h")
		}),
		"another limit refuses first": isolated(func(s suite) {
			u := s.under("all:1/1h")
			u.limits.Mode = codes.UnverifiedShadow
			all := total(Windows(s, "1/1h"))
			s.reserve(withLimits(u.to(seattle), all))
			s.refused(withLimits(u.to(seattle), all), "SEND_LIMITS_TOTAL 1/1h")

			recipient := sends(Fresh(), Windows(s, "1/1m")) // clears before the limit in shadow mode
			s.reserve(withLimits(u.to(seattle), recipient))
			s.refused(withLimits(u.to(seattle), recipient), "SEND_LIMITS 1/1m")
		}),
		"receipts know the destination": func(s suite) {
			m := s.messageOf(anyEntry())
			m.Destination = seattle
			s.recordSent(m, noEvents)
			s.receive(stored(m, rejected), codes.Received{
				Result: codes.Joined, Known: true, Op: m.Op, Recipient: m.Recipient, Destination: seattle,
				Events: codes.DeliveryEvents{Failed: true, Area: m.Area, Caller: m.Caller},
			})
		},
	}, tests{
		// Exactly as many messages pass as are allowed.
		"in parallel": isolated(func(s suite) {
			u := s.under("exchange:5/1h,area:8/1h,all:20/1h")
			var mu sync.Mutex
			var passed []codes.Reservation
			parallel(20, func(i int) {
				r := u.to(seattle)
				if _, err := s.store(i).Reserve(context.Background(), r); err == nil {
					mu.Lock()
					defer mu.Unlock()
					passed = append(passed, r)
				}
			})
			if len(passed) != 5 {
				s.Fatalf("%d passed, want 5", len(passed))
			}
			parallel(len(passed), func(i int) { s.on(i).verified(passed[i]) })
			for range 5 {
				u.send(seattle)
			}
			u.refuses(seattle, "exchange:5/1h")
		}),
	})
}

// Exchanges of two area codes.
var (
	seattle = codes.NewHasher([]byte("s")).Destination("12065551234")
	tacoma  = codes.NewHasher([]byte("s")).Destination("12067771234")
	toronto = codes.NewHasher([]byte("s")).Destination("14165551234")
)

// underLimits is a suite whose messages count under limits on unverified messages.
type underLimits struct {
	suite
	limits codes.Unverified
}

func (s suite) under(list string) underLimits {
	s.Helper()
	u, err := codes.ParseUnverified(strings.Split(list, ","))
	if err != nil {
		s.Fatal(err)
	}
	u.Mode = codes.UnverifiedEnforce
	return underLimits{s, u}
}

// to returns the reservation of a message to a destination.
func (u underLimits) to(d codes.Destination) codes.Reservation {
	r := withLimits(reservationOf(anyEntry()), u.limits.Limits(d)...)
	r.Entry.Destination = d
	return r
}

// send reserves a message to a destination.
func (u underLimits) send(d codes.Destination) codes.Reservation {
	u.Helper()
	r := u.to(d)
	u.reserve(r)
	return r
}

// refuses expects that a limit refuses a message to a destination.
func (u underLimits) refuses(d codes.Destination, limit string) {
	u.Helper()
	u.refused(u.to(d), "UNVERIFIED_LIMITS "+limit)
}

// shadows expects that a message to a destination passes, although a limit is reached; ""
// is none. A call that the store makes again may not report it.
func (u underLimits) shadows(d codes.Destination, limit string) {
	u.Helper()
	got := ""
	if reached := u.reserve(u.to(d)).Shadowed; reached != nil {
		_, got, _ = strings.Cut(reached.Limit, " ")
	}
	if got != limit && (got != "" || !u.Lossy) {
		u.Fatalf("shadowed by %q, want %q", got, limit)
	}
}

// verified enters the code of a reservation.
func (s suite) verified(r codes.Reservation) {
	s.Helper()
	s.check(codes.Check{Name: r.Entry.Name, Code: r.Entry.Code, CountVerified: true}, rightFor(r.Entry))
}
