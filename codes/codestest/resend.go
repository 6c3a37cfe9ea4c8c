package codestest

import (
	"context"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// RunResend checks entries whose code is sent again.
func RunResend(t *testing.T, open func(testing.TB) Backend) {
	run(t, open, tests{
		"the entry stays": func(s suite) {
			first := s.newResendable()
			s.wrong(first.Entry, 2)
			reserved := s.resent(another(first), first, 2)
			s.about("replaced", reserved.Replaced, 0)
			s.about("lifetime", reserved.Resent.TTLLeft, time.Minute)
			s.live(first.Entry, 2)
			s.right(first.Entry)
			s.unknown(first.Entry)
		},
		"attempts are not refilled": func(s suite) {
			first := s.newResendable()
			for left := int64(2); left >= 0; left-- {
				s.resent(another(first), first, left+1)
				s.wrong(first.Entry, left)
			}
			s.unknown(first.Entry)
			s.newCode(another(first))
		},
		"the expiry stays": func(s suite) {
			first := resendable(entry(3, 3*time.Second, time.Minute))
			s.reserve(first)
			s.Advance(time.Second)
			s.resent(another(first), first, 3)
			s.Advance(2100 * time.Millisecond)
			s.expired(first.Entry)
			s.unknown(first.Entry)
		},
		// Reasons why the next create replaces an entry.
		"a new code": func(s suite) {
			for what, change := range map[string]func(first, second *codes.Reservation){
				"it was stored without":     func(first, _ *codes.Reservation) { first.SameCode = false },
				"this one wants a new code": func(_, second *codes.Reservation) { second.SameCode = false },
				"another recipient":         func(_, second *codes.Reservation) { second.Entry.Recipient = Fresh() },
				"another number of digits":  func(_, second *codes.Reservation) { second.Entry.Digits = 8 },
				"a fixed code now":          func(_, second *codes.Reservation) { second.Entry.Digits = 0 },
				"a fixed code before":       func(first, _ *codes.Reservation) { first.Entry.Digits = 0 },
				"the most digits there are": func(_, second *codes.Reservation) { second.Entry.Digits = codes.MaxCodeLength },
				"the previous recipient, no": func(_, second *codes.Reservation) {
					second.Entry.Recipient, second.PreviousRecipient = Fresh(), Fresh()
				},
			} {
				first := resendable(anyEntry())
				second := another(first)
				change(&first, &second)
				s.reserve(first)
				s.newCode(second)
				s.release(second, true)
				s.live(first.Entry, 3)
				if s.Failed() {
					s.Fatal(what)
				}
			}
			for _, end := range s.ends() {
				first := s.newResendable()
				end(first.Entry)
				s.newCode(another(first))
			}
		},
		"after half of the lifetime": func(s suite) {
			first := resendable(entry(3, 4*time.Second, time.Minute))
			s.reserve(first)
			s.Advance(time.Second)
			s.resent(another(first), first, 3)
			s.Advance(1300 * time.Millisecond)
			s.newCode(another(first))
		},
		"a fixed code": func(s suite) {
			first := resendable(anyEntry())
			first.Entry.Digits = 0
			s.reserve(first)
			s.newCode(another(first)) // a fixed code that changed
			same := another(first)
			same.Entry.Code = first.Entry.Code
			s.newCode(same)
			again := same
			again.Op = codes.NewOp()
			s.resent(again, same, 3)
		},
		// The entry stays as long as one of the creates that sent its code may have succeeded.
		// Once all of them failed, the previous entry is restored.
		"some or all fail": func(s suite) {
			for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {2, 0, 1}} {
				for _, failures := range []int{2, 3} {
					before := s.newEntry()
					first := resendable(successor(before))
					all := []codes.Reservation{first, another(first), another(first)}
					for _, r := range all {
						s.reserve(r)
					}
					s.wrong(first.Entry, 2)
					for n, i := range order[:failures] {
						s.release(all[i], n == 2)
						s.release(all[i], n == 2) // repeated
					}
					live, attempts, other := first.Entry, int64(2), before
					if failures == 3 {
						live, attempts, other = before, 3, first.Entry
					}
					s.live(live, attempts)
					s.right(live)
					s.unknown(other)
				}
			}
		},
		// A code whose first message failed is sent by the next create.
		"resent after a failure": func(s suite) {
			first := s.newResendable()
			second, third := another(first), another(first)
			s.resent(second, first, 3)
			s.release(first, false)
			s.resent(third, first, 3)
			s.release(second, false)
			s.live(first.Entry, 3)
			s.release(third, true)
			s.unknown(first.Entry)
		},
		// The store keeps a limited number of senders of an entry. Beyond it, the entry stays,
		// since it is not known that nothing was sent.
		"more senders than kept": func(s suite) {
			first := s.newResendable()
			all := []codes.Reservation{first}
			for range 30 {
				r := another(first)
				s.resent(r, first, 3)
				all = append(all, r)
			}
			s.wrong(first.Entry, 2)
			s.resent(another(first), first, 2)
			for _, r := range all[20:] {
				s.release(r, false)
			}
			s.live(first.Entry, 2)
			s.right(first.Entry)
		},
		// An entry keeps its senders while it is replaced and restored.
		"between two new codes": func(s suite) {
			first := s.newResendable()
			second := another(first)
			s.resent(second, first, 3)
			other := resendable(successor(first.Entry))
			s.newCode(other)
			s.release(first, false)
			s.release(other, true)
			s.wrong(first.Entry, 2)
			s.resent(another(first), first, 2)
			s.right(first.Entry)
		},
		// Once the code was used or cancelled, nothing is restored.
		"used or cancelled": func(s suite) {
			for _, end := range s.ends() {
				first := s.newResendable()
				second := another(first)
				s.resent(second, first, 3)
				end(first.Entry)
				s.unknown(first.Entry)
				s.release(second, false)
				s.release(first, false)
				s.unknown(first.Entry)
			}
		},
		// Receipts join each message that held the code, and Peek returns the newest.
		"the newest message": func(s suite) {
			first := s.newResendable()
			second, third := another(first), another(first)
			s.resent(second, first, 3)
			m := []codes.SentMessage{message(first), message(second), message(third)}
			s.recordSent(m[1], noEvents)
			s.names(first.Entry.Name, m[1].Message)
			s.recordSent(m[0], noEvents) // recorded later, but older
			s.names(first.Entry.Name, m[1].Message)
			s.resent(third, first, 3)
			s.names(first.Entry.Name, m[1].Message)
			s.recordSent(m[2], noEvents)
			s.names(first.Entry.Name, m[2].Message)
			for _, of := range m {
				s.joins(of, delivered, codes.Joined, firstDelivered)
			}
		},
		// The entry is valid from the turn of its first message on.
		"waiting for its turn": isolated(func(s suite) {
			before := anyEntry()
			s.reserve(paced(reservationOf(before), 1, time.Minute))
			first := paced(resendable(successor(before)), 1, time.Minute)
			second := another(first)
			s.reserve(first)
			left := s.resent(second, first, 3).Resent.TTLLeft // at its turn, one span after that of first
			if want := time.Minute - TurnSpan; (left - want).Abs() > 100*time.Millisecond {
				s.Errorf("lifetime left at the turn: %v, want %v", left, want)
			}
			s.release(first, false)
			s.wrong(before, 2)
			s.Advance(TurnSpan)
			s.wrong(first.Entry, 2)
			s.release(second, true)
			s.live(before, 2)
		}),
		"under the previous secret": func(s suite) {
			first := s.newResendable()
			second := another(first)
			second.Entry.Name = codes.EntryName{Current: Fresh(), Previous: first.Entry.Name.Current}
			second.Entry.Recipient, second.PreviousRecipient = Fresh(), first.Entry.Recipient
			s.resent(second, first, 3)
			s.release(second, false)
			s.check(codes.Check{Name: second.Entry.Name, Code: Fresh(), PreviousCode: first.Entry.Code}, rightFor(first.Entry))
		},
		"another recipient under the previous secret": func(s suite) {
			second := another(s.newResendable())
			second.Entry.Name = codes.EntryName{Current: Fresh(), Previous: second.Entry.Name.Current}
			second.Entry.Recipient, second.PreviousRecipient = Fresh(), Fresh()
			s.newCode(second)
		},
		"limits": func(s suite) {
			limit := sends(Fresh(), Windows(s, "2/1h"))
			first := withLimits(resendable(anyEntry()), limit)
			s.reserve(first)
			second := another(first)
			s.resent(second, first, 3)
			s.refused(another(first), "SEND_LIMITS 2/1h")
			s.release(second, false)
			s.resent(another(first), first, 3)
			s.refused(another(first), "SEND_LIMITS 2/1h")
		},
		"repeated": func(s suite) {
			first := s.newResendable()
			second := another(first)
			for range 3 {
				s.resent(second, first, 3)
			}
			s.right(first.Entry)
			s.resent(second, first, 3) // its answer, although the entry has ended
			s.unknown(first.Entry)
		},
	}, tests{
		// One of the parallel creates stores the entry, and all send its code.
		"in parallel": func(s suite) {
			for _, succeeds := range []int{-1, 0, 7} {
				before := s.newEntry()
				all := make([]codes.Reservation, 8)
				sent := make([]codes.Digest, len(all))
				first := resendable(successor(before))
				for i := range all {
					all[i] = another(first)
				}
				parallel(len(all), func(i int) {
					sent[i] = all[i].Entry.Code
					if resent := s.on(i).reserve(all[i]).Resent; resent != nil {
						sent[i] = resent.Code
					}
				})
				for _, code := range sent {
					if code != sent[0] {
						s.Fatal("two codes were sent")
					}
				}
				parallel(len(all), func(i int) {
					if i == succeeds {
						return
					}
					if _, err := s.store(i).Release(context.Background(), all[i]); err != nil {
						s.Errorf("Release: %v", err)
					}
				})
				want := before
				if succeeds >= 0 {
					want = first.Entry
					want.Code = sent[0]
				}
				s.live(want, 3)
				s.right(want)
			}
		},
	})
}
