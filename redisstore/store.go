package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
)

// Store is a codes.Store and a codes.Limiter on Redis. It is safe for
// concurrent use, and any number of stores on one Redis act as one.
type Store struct {
	client  redis.UniversalClient
	convoy  *convoy // of the client
	keys    keys
	limits  codes.Limits
	scripts scripts
	clock   *clock
	copies  int           // replicas of Redis that must know of a right code
	waits   chan struct{} // one in it for each call that waits for them
}

// New returns a Store on an open client.
func New(client redis.UniversalClient, prefix string, limits codes.Limits) *Store {
	return &Store{client: client, convoy: newConvoy(client), keys: keys{prefix}, limits: limits, scripts: loadScripts(ourScripts()), clock: newClock()}
}

// Close closes the client.
func (s *Store) Close() error { return s.client.Close() }

// Prepare runs every operation once, under names that nobody else has, so that
// the scripts are loaded and what is not permitted is found out. What it
// leaves is gone after a few seconds.
func (s *Store) Prepare(ctx context.Context) error {
	second := []codes.Window{{Max: 1, Span: time.Second}}
	probe := *s
	probe.keys.prefix += "probe-" + codes.NewOp().String() + ":"
	probe.limits = codes.Limits{Sends: second, Guesses: second, Total: second, Rate: 1}
	place := codes.Place{Op: codes.NewOp()}
	claim := codes.Claim{Op: codes.NewOp(), Lease: time.Second}
	for _, step := range []func() error{
		func() error { _, err := probe.Take(ctx, place); return err },
		func() error { return probe.CountWrong(ctx, place) },
		func() error { return probe.Return(ctx, place) },
		func() error {
			_, err := probe.Put(ctx, codes.Entry{Attempts: 2, Expiration: time.Second, Notice: time.Second, Op: codes.NewOp()})
			return err
		},
		func() error {
			_, err := probe.Try(ctx, codes.Try{Code: codes.Digest{1}, Op: codes.NewOp()})
			return err
		},
		func() error {
			_, err := probe.Try(ctx, codes.Try{Op: codes.NewOp(), Keep: time.Second})
			return err
		},
		func() error {
			_, err := probe.Delete(ctx, codes.Deletion{Made: codes.NewOp(), Op: codes.NewOp()})
			return err
		},
		func() (err error) {
			for i := 0; i < 8 && err == nil; i++ { // with so many notes the old ones are looked for
				_, err = probe.Delete(ctx, codes.Deletion{Op: codes.NewOp()})
			}
			return err
		},
		func() error { _, _, err := probe.Claim(ctx, claim); return err },
		func() error { _, err := probe.Settle(ctx, claim, ""); return err },
		func() error { _, err := probe.Used(ctx); return err },
		func() error { return probe.prepareReceipts(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Put stores an entry; see codes.Store.
func (s *Store) Put(ctx context.Context, e codes.Entry) (time.Duration, error) {
	notice := int64(0)
	if e.Notice > 0 {
		notice = seconds(e.Expiration + e.Notice)
	}
	entry := slices.Concat(e.Code[:], e.Op[:], e.Recipient[:], []byte{byte(e.Area)})
	answer, err := s.run(ctx, s.scripts.put, s.keys.ofEntry(e.ID), e.Op[:], entry, e.Attempts, seconds(e.Expiration), notice)
	return done("put", answer, err)
}

// done reads the answer "done" with a time in milliseconds.
func done(operation, answer string, err error) (time.Duration, error) {
	var millis int64
	if err == nil {
		_, err = numbers(strings.TrimPrefix(answer, "done "), &millis)
	}
	if err != nil {
		return 0, fmt.Errorf("redisstore: %s: %w", operation, err)
	}
	return time.Duration(millis) * time.Millisecond, nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// Try compares a code; see codes.Store.
func (s *Store) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	run, keys, args := s.run, s.keys.ofEntry(t.ID), []any{t.Op[:], t.Code[:]}
	if t.Keep > 0 {
		keys, args = append(keys, s.keys.operation(t.ID, t.Op)), append(args, t.Keep.Milliseconds())
	}
	if s.copies > 0 {
		run = s.runAndWait
	}
	answer, err := run(ctx, s.scripts.try, keys, args...)
	var outcome codes.Outcome
	if err == nil {
		outcome, err = outcomeFrom(answer)
	}
	if err != nil {
		return codes.Outcome{}, fmt.Errorf("redisstore: try: %w", err)
	}
	return outcome, nil
}

// outcomeFrom reads an answer of the script try.
func outcomeFrom(answer string) (o codes.Outcome, err error) {
	status, answer, _ := strings.Cut(answer, " ")
	switch status {
	case "unknown":
		return codes.Outcome{Status: codes.Unknown}, nil
	case "expired":
		return codes.Outcome{Status: codes.Expired}, nil
	case "right":
		o.Status = codes.Right
	case "wrong":
		o.Status = codes.Wrong
	default:
		return o, errMalformed
	}
	var millis int64
	answer, err = numbers(answer, &o.Left, &millis)
	if err != nil || len(answer) != len(o.Recipient)+1 {
		return o, errMalformed
	}
	copy(o.Recipient[:], answer)
	o.Area, o.Rest = codes.AreaNumber(int64(answer[len(o.Recipient)])), time.Duration(millis)*time.Millisecond
	return o, nil
}

// Delete removes an entry; see codes.Store.
func (s *Store) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	var made []byte
	if d.Made != (codes.Op{}) {
		made = d.Made[:]
	}
	answer, err := s.run(ctx, s.scripts.delete, s.keys.ofEntry(d.ID), d.Op[:], made)
	return done("delete", answer, err)
}
