package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
)

// Store is a codes.Store and a codes.Limiter on Redis. It is safe for
// concurrent use, and any number of stores on one Redis act as one.
type Store struct {
	client  redis.UniversalClient
	keys    keys
	limits  codes.Limits
	scripts scripts
	clock   *clock
	copies  int // replicas of Redis that must know of a right code
}

// New returns a Store on an open client.
func New(client redis.UniversalClient, prefix string, limits codes.Limits) *Store {
	return &Store{client: client, keys: keys{prefix}, limits: limits, scripts: loadScripts(ourScripts()), clock: newClock()}
}

// WaitForReplicas makes Try answer Right only when at least n replicas of
// Redis have taken note of it. It is called before the store is used.
func (s *Store) WaitForReplicas(n int) { s.copies = n }

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
			return probe.Put(ctx, codes.Entry{Attempts: 2, Expiration: time.Second, Notice: time.Second, Op: codes.NewOp()})
		},
		func() error {
			_, err := probe.Try(ctx, codes.Try{Code: codes.Digest{1}, Op: codes.NewOp()})
			return err
		},
		func() error { return probe.Delete(ctx, codes.Deletion{Made: codes.NewOp(), Op: codes.NewOp()}) },
		func() error { return probe.Delete(ctx, codes.Deletion{Op: codes.NewOp()}) },
		func() error { _, _, err := probe.Claim(ctx, claim); return err },
		func() error { return probe.Settle(ctx, claim, "") },
		func() error { return probe.prepareReceipts(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Put stores an entry; see codes.Store.
func (s *Store) Put(ctx context.Context, e codes.Entry) error {
	notice := int64(0)
	if e.Notice > 0 {
		notice = seconds(e.Expiration + e.Notice)
	}
	_, err := s.run(ctx, s.scripts.put, s.keys.forEntry(e.ID, e.Op),
		e.Op[:], e.Code[:], e.Recipient[:], e.Attempts, seconds(e.Expiration), notice, remember.Milliseconds())
	if err != nil {
		return fmt.Errorf("redisstore: put: %w", err)
	}
	return nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// Try compares a code; see codes.Store.
func (s *Store) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	keep, all := remember, 0
	if t.Keep > 0 {
		keep, all = t.Keep, 1
	}
	run := s.run
	if s.copies > 0 {
		run = s.runAndWait
	}
	reply, err := run(ctx, s.scripts.try, s.keys.forEntry(t.ID, t.Op), t.Code[:], keep.Milliseconds(), all)
	if err != nil {
		return codes.Outcome{}, fmt.Errorf("redisstore: try: %w", err)
	}
	switch reply[0] {
	case "right":
		return codes.Outcome{Status: codes.Right}, nil
	case "wrong":
		return wrong(reply)
	case "expired":
		return codes.Outcome{Status: codes.Expired}, nil
	case "unknown":
		return codes.Outcome{Status: codes.Unknown}, nil
	}
	return codes.Outcome{}, fmt.Errorf("redisstore: try: answer %q", reply[0])
}

func wrong(reply []any) (codes.Outcome, error) {
	if len(reply) == 3 {
		text, _ := reply[1].(string)
		recipient, _ := reply[2].(string)
		left, err := strconv.ParseInt(text, 10, 64)
		if err == nil && len(recipient) == len(codes.Digest{}) {
			return codes.Outcome{Status: codes.Wrong, Left: left, Recipient: codes.Digest([]byte(recipient))}, nil
		}
	}
	return codes.Outcome{}, fmt.Errorf("redisstore: try: malformed answer")
}

// Delete removes an entry; see codes.Store.
func (s *Store) Delete(ctx context.Context, d codes.Deletion) error {
	var made []byte
	if d.Made != (codes.Op{}) {
		made = d.Made[:]
	}
	_, err := s.run(ctx, s.scripts.delete, s.keys.forEntry(d.ID, d.Op), made, remember.Milliseconds())
	if err != nil {
		return fmt.Errorf("redisstore: delete: %w", err)
	}
	return nil
}
