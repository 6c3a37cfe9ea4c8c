package codestest

import (
	"context"
	"strings"
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
					limits := unverifiedLimits(s, limit)
					for _, d := range test.pass {
						s.reserve(s.toDestination(d, limits))
					}
					s.refused(s.toDestination(test.refuse, limits), "UNVERIFIED_LIMITS "+limit)
				})(s)
			}
		},
		"a verified code makes room": isolated(func(s suite) {
			limits := unverifiedLimits(s, "exchange:2/1h,area:2/1h,all:2/1h")
			recipient := sends(Fresh(), Windows(s, "1/1h"))
			first := s.toDestination(seattle, limits)
			s.reserve(first)
			s.reserve(s.toDestination(seattle, limits))
			s.refused(withLimits(s.toDestination(seattle, limits), recipient), "UNVERIFIED_LIMITS exchange:2/1h")
			s.verified(first)
			s.reserve(withLimits(s.toDestination(seattle, limits), recipient)) // the refused one counted nowhere
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
			s.unknown(first.Entry) // and changes nothing
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
		}),
		// A limit allows in addition a percentage, rounded down, of the codes verified in the
		// last 24 hours in the area code, or in all.
		"a share of the verified codes": isolated(func(s suite) {
			limits := unverifiedLimits(s, "area:1/1h+50%,all:2/1h+100%")
			wide := unverifiedLimits(s, "exchange:100/1h,area:100/1h,all:100/1h")
			verify := func(d codes.Destination) {
				r := s.toDestination(d, wide)
				s.reserve(r)
				s.verified(r)
			}
			s.reserve(s.toDestination(seattle, limits))
			verify(seattle)
			s.refused(s.toDestination(tacoma, limits), "UNVERIFIED_LIMITS area:1/1h+50%")
			verify(tacoma)
			s.reserve(s.toDestination(tacoma, limits))
			s.refused(s.toDestination(tacoma, limits), "UNVERIFIED_LIMITS area:1/1h+50%")
			s.reserve(s.toDestination(toronto, limits))
			verify(toronto)
			limits.Area = nil
			s.reserve(s.toDestination(toronto, limits)) // 2 plus 3 verified
			s.reserve(s.toDestination(toronto, limits))
			s.refused(s.toDestination(toronto, limits), "UNVERIFIED_LIMITS all:2/1h+100%")
		}),
		"verified, and counted again": isolated(func(s suite) {
			limits := unverifiedLimits(s, "all:1/1h+100%")
			first := s.toDestination(seattle, limits)
			s.reserve(first)
			s.verified(first)
			for range 3 {
				v := codes.VerifiedMessages{Destination: seattle, Ops: []codes.Op{first.Op}}
				if err := s.Store.CountVerified(context.Background(), v); err != nil {
					s.Fatal(err)
				}
			}
			s.reserve(s.toDestination(seattle, limits))
			s.reserve(s.toDestination(seattle, limits))
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS all:1/1h+100%")
		}),
		// A message stays counted if its entry ends without its code being entered.
		"what makes no room": isolated(func(s suite) {
			limits := unverifiedLimits(s, "all:4/1h")
			replaced, cancelled, used := s.toDestination(seattle, limits), s.toDestination(seattle, limits), s.toDestination(seattle, limits)
			s.reserve(replaced)
			s.reserve(cancelled)
			s.reserve(used)
			after := s.toDestination(seattle, limits)
			after.Entry.Name = replaced.Entry.Name
			s.reserve(after)
			s.cancel(cancelled.Entry)
			s.useUp(used.Entry)
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS all:4/1h")
			s.verified(after) // uncounts its message, not that of the replaced entry
			s.reserve(s.toDestination(seattle, limits))
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS all:4/1h")
		}),
		"a released message makes room": isolated(func(s suite) {
			limits := unverifiedLimits(s, "exchange:1/1h,area:1/1h,all:1/1h")
			r := s.toDestination(seattle, limits)
			s.reserve(r)
			s.reserve(r) // repeated
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:1/1h")
			s.release(r, true)
			s.reserve(s.toDestination(seattle, limits))
		}),
		"a rejected message makes room, once": isolated(func(s suite) {
			limits := unverifiedLimits(s, "exchange:2/1h,all:2/1h")
			r := s.toDestination(seattle, limits)
			s.reserve(r)
			s.reserve(s.toDestination(seattle, limits))
			bound := sends(r.Entry.Recipient, Windows(s, "5/1h"))
			for range 2 {
				s.refund(r, append([]codes.Limit{bound}, r.Limits...)...)
			}
			s.verified(r) // rejected, but the code arrived
			s.reserve(s.toDestination(seattle, limits))
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
		}),
		"rejected after it was verified": isolated(func(s suite) {
			limits := unverifiedLimits(s, "all:1/1h+100%")
			r := s.toDestination(seattle, limits)
			s.reserve(r)
			s.verified(r)
			s.refund(r, append([]codes.Limit{sends(Fresh(), Windows(s, "5/1h"))}, r.Limits...)...)
			s.reserve(s.toDestination(seattle, limits))
			s.reserve(s.toDestination(seattle, limits)) // the code counts as verified
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS all:1/1h+100%")
		}),
		"a code that was sent again": isolated(func(s suite) {
			limits := unverifiedLimits(s, "all:3/1h")
			first := s.toDestination(seattle, limits)
			first.SameCode, first.Entry.Digits = true, 6
			s.reserve(first)
			s.resent(another(first), first, 3)
			s.resent(another(first), first, 3)
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS all:3/1h")
			s.verified(first)
			for range 3 {
				s.reserve(s.toDestination(seattle, limits))
			}
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS all:3/1h")
		}),
		"the span": isolated(func(s suite) {
			limits := unverifiedLimits(s, "exchange:2/3s")
			s.reserve(s.toDestination(seattle, limits))
			s.Advance(time.Second)
			s.reserve(s.toDestination(seattle, limits))
			s.clears(func() codes.Reservation { return s.toDestination(seattle, limits) }, "UNVERIFIED_LIMITS exchange:2/3s")
		}),
		"shadow": isolated(func(s suite) {
			limits := unverifiedLimits(s, "exchange:1/1h,all:2/2h")
			limits.Mode = codes.UnverifiedShadow
			s.shadowed(s.toDestination(seattle, limits), "")
			s.shadowed(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:1/1h")
			s.shadowed(s.toDestination(toronto, limits), "UNVERIFIED_LIMITS all:2/2h")
			s.shadowed(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:1/1h") // the first, though all clears later
			limits.Mode = codes.UnverifiedEnforce                                           // messages sent in shadow mode count
			s.refused(s.toDestination(tacoma, limits), "UNVERIFIED_LIMITS all:2/2h")
		}),
		"another limit refuses first": isolated(func(s suite) {
			limits := unverifiedLimits(s, "all:1/1h")
			limits.Mode = codes.UnverifiedShadow
			r := withLimits(s.toDestination(seattle, limits), total(Windows(s, "1/1h")))
			s.reserve(r)
			next := withLimits(s.toDestination(seattle, limits), total(Windows(s, "1/1h")))
			s.refused(next, "SEND_LIMITS_TOTAL 1/1h")

			recipient := sends(Fresh(), Windows(s, "1/1m")) // clears before the limit in shadow mode
			s.reserve(withLimits(s.toDestination(seattle, limits), recipient))
			s.refused(withLimits(s.toDestination(seattle, limits), recipient), "SEND_LIMITS 1/1m")
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
			limits := unverifiedLimits(s, "exchange:5/1h,area:8/1h,all:20/1h")
			passed := make([]codes.Reservation, 20)
			taken := make([]bool, len(passed))
			parallel(len(passed), func(i int) {
				passed[i] = s.toDestination(seattle, limits)
				_, err := s.store(i).Reserve(context.Background(), passed[i])
				taken[i] = err == nil
			})
			var standing []codes.Reservation
			for i, ok := range taken {
				if ok {
					standing = append(standing, passed[i])
				}
			}
			if len(standing) != 5 {
				s.Fatalf("%d passed, want 5", len(standing))
			}
			parallel(len(standing), func(i int) { s.on(i).verified(standing[i]) })
			for range 5 {
				s.reserve(s.toDestination(seattle, limits))
			}
			s.refused(s.toDestination(seattle, limits), "UNVERIFIED_LIMITS exchange:5/1h")
		}),
	})
}

// Exchanges of two area codes.
var (
	seattle = codes.NewHasher([]byte("s")).Destination("12065551234")
	tacoma  = codes.NewHasher([]byte("s")).Destination("12067771234")
	toronto = codes.NewHasher([]byte("s")).Destination("14165551234")
)

func unverifiedLimits(s suite, list string) codes.Unverified {
	s.Helper()
	u, err := codes.ParseUnverified(strings.Split(list, ","))
	if err != nil {
		s.Fatal(err)
	}
	u.Mode = codes.UnverifiedEnforce
	return u
}

// toDestination returns the reservation of a message to a destination under limits.
func (s suite) toDestination(d codes.Destination, u codes.Unverified) codes.Reservation {
	r := reservationOf(anyEntry())
	r.Entry.Destination = d
	r.Limits = u.Limits(d)
	return r
}

// verified enters the code of a reservation.
func (s suite) verified(r codes.Reservation) {
	s.Helper()
	s.check(codes.Check{Name: r.Entry.Name, Code: r.Entry.Code, CountVerified: true}, rightFor(r.Entry))
}

// shadowed expects that r passes, although a limit is reached; "" is none. A call that
// the store makes again may not report it.
func (s suite) shadowed(r codes.Reservation, limit string) {
	s.Helper()
	got := ""
	if reached := s.reserve(r).Shadowed; reached != nil {
		got = reached.Limit
	}
	if got != limit && (got != "" || !s.Lossy) {
		s.Fatalf("shadowed by %q, want %q", got, limit)
	}
}
