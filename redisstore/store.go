package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	copies  int // replicas of Redis that must know of a right code
}

// New returns a Store on an open client.
func New(client redis.UniversalClient, prefix string, limits codes.Limits) *Store {
	return &Store{client: client, convoy: newConvoy(client), keys: keys{prefix}, limits: limits, scripts: loadScripts(ourScripts()), clock: newClock()}
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
			_, err := probe.Put(ctx, codes.Entry{Attempts: 2, Expiration: time.Second, Notice: time.Second, Op: codes.NewOp()})
			return err
		},
		func() error {
			_, err := probe.Try(ctx, codes.Try{Code: codes.Digest{1}, Op: codes.NewOp()})
			return err
		},
		func() error {
			_, err := probe.Delete(ctx, codes.Deletion{Made: codes.NewOp(), Op: codes.NewOp()})
			return err
		},
		func() error { _, err := probe.Delete(ctx, codes.Deletion{Op: codes.NewOp()}); return err },
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
	reply, err := s.run(ctx, s.scripts.put, s.keys.forEntry(e.ID, e.Op),
		e.Op[:], e.Code[:], e.Recipient[:], e.Attempts, seconds(e.Expiration), notice, remember.Milliseconds(), uint8(e.Area))
	if err != nil {
		return 0, fmt.Errorf("redisstore: put: %w", err)
	}
	return millis(reply), nil
}

// millis reads the time in the reply {"done", milliseconds}.
func millis(reply []any) time.Duration { return time.Duration(number(reply, 1)) * time.Millisecond }

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
	answer, _ := reply[0].(string)
	outcome, ok := outcomeFrom(answer)
	if !ok {
		return codes.Outcome{}, errors.New("redisstore: try: malformed answer")
	}
	return outcome, nil
}

// outcomeFrom reads an answer of the script try.
func outcomeFrom(answer string) (o codes.Outcome, ok bool) {
	status, answer, _ := strings.Cut(answer, " ")
	switch status {
	case "unknown":
		return codes.Outcome{Status: codes.Unknown}, true
	case "expired":
		return codes.Outcome{Status: codes.Expired}, true
	case "right":
		o.Status = codes.Right
	case "wrong":
		o.Status = codes.Wrong
	default:
		return o, false
	}
	var numbers [3]int64 // attempts left, milliseconds, area
	var err error
	for i := range numbers {
		var number string
		number, answer, _ = strings.Cut(answer, " ")
		if numbers[i], err = strconv.ParseInt(number, 10, 64); err != nil {
			return o, false
		}
	}
	o.Left, o.Rest, o.Area = numbers[0], time.Duration(numbers[1])*time.Millisecond, codes.AreaNumber(numbers[2])
	return o, copy(o.Recipient[:], answer) == len(answer) && len(answer) == len(o.Recipient)
}

// Delete removes an entry; see codes.Store.
func (s *Store) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	var made []byte
	if d.Made != (codes.Op{}) {
		made = d.Made[:]
	}
	reply, err := s.run(ctx, s.scripts.delete, s.keys.forEntry(d.ID, d.Op), made, remember.Milliseconds())
	if err != nil {
		return 0, fmt.Errorf("redisstore: delete: %w", err)
	}
	return millis(reply), nil
}
