package redisstore

import (
	"context"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Prepare runs every script once, under key names of its own, so that the scripts
// are loaded and missing permissions are found. It also detects a server that
// refuses keys of several slots in one script, such as a proxy in front of a
// cluster. The keys that it leaves expire in little more than a minute.
func (s *Store) Prepare(ctx context.Context) error {
	err := s.tryScripts(ctx)
	if err != nil && !s.split.Load() && refusesSlots(err) {
		s.split.Store(true)
		err = s.tryScripts(ctx)
	}
	return err
}

// refusesSlots reports whether Redis, or a proxy, refused a script for the slots of
// its keys, or for keys whose names the script makes itself.
func refusesSlots(err error) bool {
	text := strings.ToLower(err.Error())
	for _, part := range []string{"crossslot", "same slot", "non local key", "undeclared key", "not declared", "cross slot"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func (s *Store) tryScripts(ctx context.Context) error {
	probe := *s
	probe.keys.prefix += "probe-" + codes.NewOp().String() + ":"
	probe.prefix = probe.keys.prefix
	probe.Done = func(context.Context, string, time.Time, error) {} // not part of a request
	windows := []codes.Window{{Max: 9, Span: time.Second}}
	name := codes.EntryName{Current: codes.Digest{1}, Previous: codes.Digest{2}}
	r := codes.Reservation{
		Op: codes.NewOp(),
		Entry: codes.Entry{
			Name: name, Attempts: 2, Lifetime: time.Second, Notice: time.Second, Destination: codes.Destination{AreaCode: [3]byte{'0', '0', '0'}},
		},
		Limits: []codes.Limit{
			{Kind: codes.SendLimit, Windows: windows},
			{Kind: codes.GuessLimit, Windows: windows},
			{Kind: codes.TotalLimit, Windows: windows},
			{Kind: codes.AllLimit, Windows: []codes.Window{{Max: 1, Span: time.Second, Percent: 50}}, Shadow: true},
		},
		Pace:     codes.Pace{Rate: 9, MaxWait: time.Second},
		WaitLeft: time.Second,
	}
	second, third, plain := r, r, r
	second.Op, third.Op, plain.Op = codes.NewOp(), codes.NewOp(), codes.NewOp()
	plain.Entry.Name = codes.EntryName{Current: codes.Digest{3}}
	plain.Entry.Attempts = 8 // so that saved replies are purged
	check := codes.Check{Name: name, Code: codes.Digest{1}, PreviousCode: codes.Digest{1}, Op: codes.NewOp(), Guesses: windows, CountVerified: true}
	plainCheck := check
	plainCheck.Name, plainCheck.Op = plain.Entry.Name, codes.NewOp()
	right := plainCheck
	right.Code, right.Op = plain.Entry.Code, codes.NewOp()
	claim := codes.Claim{Op: codes.NewOp(), Lease: time.Second}
	receipt := codes.StoredReceipt{
		Receipt: codes.Receipt{Content: "0:", Stage: codes.StageSent}, Op: codes.NewOp(), Keep: time.Second,
	}
	sent := codes.SentMessage{Entry: name, Op: r.Op, Keep: time.Second}
	for _, step := range []func() error{
		func() error { _, err := probe.Reserve(ctx, r); return err },
		func() error { _, err := probe.Reserve(ctx, second); return err },
		func() error { _, err := probe.Check(ctx, check); return err },
		func() error { _, err := probe.Reserve(ctx, plain); return err },
		func() error { _, err := probe.Check(ctx, plainCheck); return err },
		func() error { _, err := probe.Check(ctx, right); return err },
		func() error { _, err := probe.Reserve(ctx, third); return err }, // counts the correct code
		func() error { _, err := probe.Peek(ctx, name); return err },
		func() error { _, err := probe.Receive(ctx, receipt); return err },
		func() error { _, err := probe.RecordSent(ctx, sent); return err },
		func() error { _, _, err := probe.Delivery(ctx, codes.Digest{}); return err },
		func() error { return probe.Refund(ctx, r.Op, r.Limits[:1]) },
		func() error { _, err := probe.Release(ctx, second); return err },
		func() error { _, err := probe.Cancel(ctx, codes.Cancel{Name: name, Op: codes.NewOp()}); return err },
		func() error { _, _, err := probe.Claim(ctx, claim); return err },
		func() error { _, err := probe.Settle(ctx, claim, ""); return err },
		func() error { _, err := probe.Used(ctx, windows); return err },
		func() error { _, err := probe.Standings(ctx, r.Limits[:2]); return err },
		func() error { _, err := probe.ClearLimits(ctx, r.Entry.Recipient); return err },
		func() error { return probe.dropUnverified(ctx, r.Entry.Destination) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// dropUnverified removes the counts of unverified messages, which would stay for days.
func (s *Store) dropUnverified(ctx context.Context, d codes.Destination) error {
	keys := []string{s.keys.entered()}
	for _, subject := range []string{exchangeOf(d), areaCodeOf(d), everywhere} {
		messages, verified := s.keys.unverified(subject)
		keys = append(keys, messages, verified)
	}
	return s.client.Del(ctx, keys...).Err()
}
