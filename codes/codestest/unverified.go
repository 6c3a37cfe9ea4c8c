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
				apart(func(s suite) {
					limits := exchangeLimit(s, limit)
					for _, d := range test.pass {
						s.take(s.into(d, limits))
					}
					s.refused(s.into(test.refuse, limits), "UNVERIFIED_LIMITS "+limit)
				})(s)
			}
		},
		"a verified code makes room": apart(func(s suite) {
			limits := exchangeLimit(s, "exchange:2/1h,area:2/1h,all:2/1h")
			first := s.into(seattle, limits)
			s.take(first)
			s.take(s.into(seattle, limits))
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
			s.verified(first)
			s.take(s.into(seattle, limits))
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
			s.unknown(first.Entry) // and makes no more room
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
		}),
		"a share of the verified codes": apart(shareOfVerified),
		"verified, and counted again": apart(func(s suite) {
			limits := exchangeLimit(s, "all:1/1h+100%")
			first := s.into(seattle, limits)
			s.take(first)
			s.verified(first)
			for range 3 {
				v := codes.VerifiedMessages{Destination: seattle, Ops: []codes.Op{first.Op}}
				if err := s.Store.CountVerified(context.Background(), v); err != nil {
					s.Fatal(err)
				}
			}
			s.take(s.into(seattle, limits))
			s.take(s.into(seattle, limits))
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS all:1/1h+100%")
		}),
		"what makes no room": apart(noRoom),
		"a released message makes room": apart(func(s suite) {
			limits := exchangeLimit(s, "exchange:1/1h,area:1/1h,all:1/1h")
			r := s.into(seattle, limits)
			s.take(r)
			s.take(r) // repeated
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:1/1h")
			s.release(r, true)
			s.take(s.into(seattle, limits))
		}),
		"a rejected message makes room, once": apart(func(s suite) {
			limits := exchangeLimit(s, "exchange:2/1h,all:2/1h")
			r := s.into(seattle, limits)
			s.take(r)
			s.take(s.into(seattle, limits))
			bound := sends(r.Entry.Recipient, Windows(s, "5/1h"))
			for range 2 {
				s.refund(r, append([]codes.Limit{bound}, r.Limits...)...)
			}
			s.verified(r) // it was rejected, and yet somebody has the code
			s.take(s.into(seattle, limits))
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:2/1h")
		}),
		"rejected after it was verified": apart(func(s suite) {
			limits := exchangeLimit(s, "all:1/1h")
			r := s.into(seattle, limits)
			s.take(r)
			s.verified(r)
			s.refund(r, append([]codes.Limit{sends(Fresh(), Windows(s, "5/1h"))}, r.Limits...)...)
			s.take(s.into(seattle, limits))
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS all:1/1h")
		}),
		"a code that was sent again": apart(func(s suite) {
			limits := exchangeLimit(s, "all:3/1h")
			first := s.into(seattle, limits)
			first.SameCode, first.Entry.Digits = true, 6
			s.take(first)
			s.resent(another(first), first, 3)
			s.resent(another(first), first, 3)
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS all:3/1h")
			s.verified(first)
			for range 3 {
				s.take(s.into(seattle, limits))
			}
			s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS all:3/1h")
		}),
		"the span": apart(func(s suite) {
			limits := exchangeLimit(s, "exchange:2/3s")
			s.take(s.into(seattle, limits))
			s.Advance(time.Second)
			s.take(s.into(seattle, limits))
			s.clears(func() codes.Reservation { return s.into(seattle, limits) }, "UNVERIFIED_LIMITS exchange:2/3s")
		}),
		"shadow": apart(func(s suite) {
			limits := exchangeLimit(s, "exchange:1/1h,all:2/1h")
			limits.Mode = codes.UnverifiedShadow
			s.shadowed(s.into(seattle, limits), "")
			s.shadowed(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:1/1h")
			s.shadowed(s.into(toronto, limits), "UNVERIFIED_LIMITS all:2/1h")
			limits.Mode = codes.UnverifiedEnforce // what shadow let pass counts
			s.refused(s.into(tacoma, limits), "UNVERIFIED_LIMITS all:2/1h")
		}),
		"another limit refuses first": apart(func(s suite) {
			limits := exchangeLimit(s, "all:1/1h")
			limits.Mode = codes.UnverifiedShadow
			r := within(s.into(seattle, limits), total(Windows(s, "1/1h")))
			s.take(r)
			next := within(s.into(seattle, limits), total(Windows(s, "1/1h")))
			s.refused(next, "SEND_LIMITS_TOTAL 1/1h")

			recipient := sends(Fresh(), Windows(s, "1/1m")) // clears before the one in the shadow
			s.take(within(s.into(seattle, limits), recipient))
			s.refused(within(s.into(seattle, limits), recipient), "SEND_LIMITS 1/1m")
		}),
		"receipts know the destination": func(s suite) {
			m := s.messageOf(usual())
			m.Destination = seattle
			s.recordSent(m, codes.DeliveryEvents{})
			s.receive(stored(m, rejected), codes.Received{
				Result: codes.Joined, Known: true, Op: m.Op, Recipient: m.Recipient, Destination: seattle,
				Events: codes.DeliveryEvents{Failed: true, Area: m.Area, Caller: m.Caller},
			})
		},
	}, tests{
		"in parallel": apart(unverifiedInParallel),
	})
}

// Exchanges of two area codes.
var (
	seattle = codes.NewHasher([]byte("s")).Destination("12065551234")
	tacoma  = codes.NewHasher([]byte("s")).Destination("12067771234")
	toronto = codes.NewHasher([]byte("s")).Destination("14165551234")
)

func exchangeLimit(s suite, list string) codes.Unverified {
	s.Helper()
	u, err := codes.ParseUnverified(strings.Split(list, ","))
	if err != nil {
		s.Fatal(err)
	}
	u.Mode = codes.UnverifiedEnforce
	return u
}

// into reserves a message to a destination under limits.
func (s suite) into(d codes.Destination, u codes.Unverified) codes.Reservation {
	r := unlimited(usual())
	r.Entry.Destination = d
	r.Limits = u.Limits(d)
	return r
}

// verified enters the code of a reservation.
func (s suite) verified(r codes.Reservation) {
	s.Helper()
	s.check(codes.Check{Name: r.Entry.Name, Code: r.Entry.Code, CountVerified: true}, codes.Outcome{Status: codes.Right, Recipient: r.Entry.Recipient})
}

// shadowed expects that a message is sent, although a limit is reached.
func (s suite) shadowed(r codes.Reservation, limit string) {
	s.Helper()
	got := ""
	if reached := s.take(r).Shadowed; reached != nil {
		got = reached.Limit
	}
	if got != limit {
		s.Fatalf("shadowed by %q, want %q", got, limit)
	}
}

// shareOfVerified: of the codes verified in the last 24 hours so many per cent,
// rounded down, are allowed besides, in the area code and in all.
func shareOfVerified(s suite) {
	limits := exchangeLimit(s, "area:1/1h+50%,all:2/1h+100%")
	wide := exchangeLimit(s, "exchange:100/1h,area:100/1h,all:100/1h")
	verify := func(d codes.Destination) {
		r := s.into(d, wide)
		s.take(r)
		s.verified(r)
	}
	s.take(s.into(seattle, limits))
	verify(seattle)
	s.refused(s.into(tacoma, limits), "UNVERIFIED_LIMITS area:1/1h+50%")
	verify(tacoma)
	s.take(s.into(tacoma, limits))
	s.refused(s.into(tacoma, limits), "UNVERIFIED_LIMITS area:1/1h+50%")
	s.take(s.into(toronto, limits))
	verify(toronto)
	limits.Area = nil
	s.take(s.into(toronto, limits)) // 2 and those verified, 3
	s.take(s.into(toronto, limits))
	s.refused(s.into(toronto, limits), "UNVERIFIED_LIMITS all:2/1h+100%")
}

// noRoom: a message stands when its entry ends in another way than by its code.
func noRoom(s suite) {
	limits := exchangeLimit(s, "all:4/1h")
	replaced, cancelled, used := s.into(seattle, limits), s.into(seattle, limits), s.into(seattle, limits)
	s.take(replaced)
	s.take(cancelled)
	s.take(used)
	after := s.into(seattle, limits)
	after.Entry.Name = replaced.Entry.Name
	s.take(after)
	s.cancel(cancelled.Entry)
	for left := int64(2); left >= 0; left-- {
		s.wrong(used.Entry, left)
	}
	s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS all:4/1h")
	s.verified(after) // makes room for itself, not for the one that it replaced
	s.take(s.into(seattle, limits))
	s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS all:4/1h")
}

// unverifiedInParallel: exactly as many messages pass as are allowed.
func unverifiedInParallel(s suite) {
	limits := exchangeLimit(s, "exchange:5/1h,area:8/1h,all:20/1h")
	passed := make([]codes.Reservation, 20)
	taken := make([]bool, len(passed))
	together(len(passed), func(i int) {
		passed[i] = s.into(seattle, limits)
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
	together(len(standing), func(i int) {
		c := codes.Check{Name: standing[i].Entry.Name, Code: standing[i].Entry.Code, Op: codes.NewOp(), CountVerified: true}
		if got, err := s.store(i).Check(context.Background(), c); err != nil || got.Status != codes.Right {
			s.Errorf("Check = %+v, %v", got, err)
		}
	})
	for range 5 {
		s.take(s.into(seattle, limits))
	}
	s.refused(s.into(seattle, limits), "UNVERIFIED_LIMITS exchange:5/1h")
}
