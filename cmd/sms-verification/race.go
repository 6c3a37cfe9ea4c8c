package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
)

// Limits of a race, which runs on a Redis that others use.
const (
	raceTime     = 10 * time.Second // in all
	raceStart    = 8 * time.Second  // no entry is started later
	raceKeys     = 1000             // including those of Prepare
	raceEntries  = 600              // one key each
	raceLifetime = 10 * time.Second // of an entry
	raceParallel = 4                // entries at a time
	raceClients  = 2                // each acts as a replica
	raceAttempts = 3                // wrong codes that an entry may compare
)

// raceStore is the part of a store that a race uses.
type raceStore interface {
	Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error)
	Check(ctx context.Context, c codes.Check) (codes.Checked, error)
}

// raceReport is the result of a race. Its JSON is an interface: members are only added.
type raceReport struct {
	Entries          int `json:"entries"`            // entries whose calls were all answered
	Checks           int `json:"checks"`             // calls for all entries
	AcceptedTwice    int `json:"accepted_twice"`     // entries whose right code was accepted more than once
	ComparedTooOften int `json:"compared_too_often"` // entries that compared more wrong codes than they may
	Lost             int `json:"lost"`               // entries that vanished early
	FailedCalls      int `json:"failed_calls"`
}

// found returns the violations that the race found, or "".
func (r *raceReport) found() string {
	var wrong []string
	for _, violation := range []struct {
		codes int
		text  string
	}{
		{r.AcceptedTwice, "accepted twice"}, {r.ComparedTooOften, "compared too often"}, {r.Lost, "lost before its time"},
	} {
		if violation.codes > 0 {
			wrong = append(wrong, fmt.Sprintf("%d code(s) %s", violation.codes, violation.text))
		}
	}
	return strings.Join(wrong, ", ")
}

// String returns the result as a sentence.
func (r *raceReport) String() string {
	text := fmt.Sprintf("%d codes with %d checks, many in parallel: ", r.Entries, r.Checks)
	if found := r.found(); found != "" {
		text += "FAILED: " + found
	} else {
		text += "none was accepted twice or compared too often"
	}
	if r.FailedCalls > 0 {
		text += fmt.Sprintf("; %d call(s) were not answered in time", r.FailedCalls)
	}
	return text
}

// round is the number of right and wrong codes that one entry is sent in parallel.
type round struct{ right, wrong int }

var raceRounds = []round{{right: 8}, {wrong: 12}, {right: 4, wrong: 8}}

// race races this many entries over all stores, or as many as its time allows.
func race(ctx context.Context, stores []raceStore, entries int) raceReport {
	ctx, cancel := context.WithTimeout(ctx, raceTime)
	defer cancel()
	begun := time.Now()
	var next atomic.Int64
	var mu sync.Mutex
	var total raceReport
	var workers sync.WaitGroup
	for range raceParallel {
		workers.Go(func() {
			for time.Since(begun) < raceStart && ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= entries {
					return
				}
				entry := raceEntry(ctx, stores, raceRounds[n%len(raceRounds)])
				mu.Lock()
				total.add(entry)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return total
}

func (r *raceReport) add(other raceReport) {
	r.Entries += other.Entries
	r.Checks += other.Checks
	r.AcceptedTwice += other.AcceptedTwice
	r.ComparedTooOften += other.ComparedTooOften
	r.Lost += other.Lost
	r.FailedCalls += other.FailedCalls
}

// raceEntry stores an entry and checks all codes of the round in parallel. Then it
// checks the right code once more, which must fail if the entry has ended.
func raceEntry(ctx context.Context, stores []raceStore, sent round) raceReport {
	r := codes.Reservation{Op: codes.NewOp(), Entry: codes.Entry{
		Name: codes.EntryName{Current: randomDigest()}, Code: randomDigest(), Recipient: randomDigest(),
		Attempts: raceAttempts, Lifetime: raceLifetime,
	}}
	if _, err := stores[0].Reserve(ctx, r); err != nil {
		return raceReport{FailedCalls: 1}
	}
	answers := make(chan codes.Status, sent.right+sent.wrong)
	check := func(n int, code codes.Digest) codes.Status {
		c := codes.Check{Name: r.Entry.Name, Code: code, Op: codes.NewOp()}
		checked, err := stores[n%len(stores)].Check(ctx, c)
		if err != nil {
			return raceFailed
		}
		return checked.Status
	}
	start := make(chan struct{})
	for n := range cap(answers) {
		code := r.Entry.Code
		if n >= sent.right {
			code = randomDigest()
		}
		go func() {
			<-start
			answers <- check(n, code)
		}()
	}
	close(start)
	count := map[codes.Status]int{}
	for range cap(answers) {
		count[<-answers]++
	}
	return judge(count, check(0, r.Entry.Code), cap(answers)+1)
}

const raceFailed codes.Status = -1 // the check was not answered

// judge compares the answers for one entry with the promises; last is the answer
// to the final check. A failed call may have taken effect, so it can explain an
// answer that is missing, but not one too many.
func judge(count map[codes.Status]int, last codes.Status, checks int) (r raceReport) {
	r = raceReport{Checks: checks, FailedCalls: count[raceFailed]}
	switch rights, wrongs := count[codes.Right], count[codes.Wrong]; {
	case rights > 1 || rights == 1 && last == codes.Right:
		r.AcceptedTwice = 1
	case wrongs > raceAttempts || wrongs == raceAttempts && last == codes.Right:
		r.ComparedTooOften = 1
	case rights == 0 && wrongs < raceAttempts && r.FailedCalls == 0:
		r.Lost = 1
	}
	if last == raceFailed {
		r.FailedCalls++
	}
	if r.FailedCalls == 0 {
		r.Entries = 1
	}
	return r
}

func randomDigest() (d codes.Digest) {
	_, _ = rand.Read(d[:]) // never returns an error
	return d
}

// raceRedis races two stores with a client each, under a prefix of its own.
func raceRedis(ctx context.Context, cfg *config.Config, o redisstore.DialOptions) (*raceReport, error) {
	own := *cfg
	own.RedisKeyPrefix += "race-" + codes.NewOp().String() + ":"
	stopped := ctx.Err // not by the timeout below
	ctx, cancel := context.WithTimeout(ctx, raceTime)
	defer cancel()
	var stores []raceStore
	for range raceClients {
		store, err := app.OpenStore(&own, o, nil)
		if err != nil {
			return nil, err
		}
		defer func() { _ = store.Close() }()
		if err := store.Prepare(ctx); err != nil {
			return nil, err
		}
		stores = append(stores, store)
	}
	r := race(ctx, stores, raceEntries)
	if err := stopped(); err != nil {
		return nil, fmt.Errorf("check --race: %w", err)
	}
	if r.Entries == 0 && r.found() == "" {
		return nil, errors.New("check --race: no check was answered in time; see REDIS_URL, REDIS_WAIT_REPLICAS and the load of Redis")
	}
	return &r, nil
}
