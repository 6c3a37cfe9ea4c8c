package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
)

// Bounds of one operation on Redis. An operation goes on trying, each time
// with the same op, until it has an answer or its time is over; only then may
// it say that it failed, because only then what it sent before has no effect
// any more.
const (
	opTimeout  = 500 * time.Millisecond
	tryTimeout = 250 * time.Millisecond // one exchange with Redis
	pause      = 10 * time.Millisecond  // between two tries
)

//go:embed lua
var luaFiles embed.FS

// script is one operation.
type script struct{ text, sha any } // strings, as the client wants them

// run runs the script, with its text if Redis does not know it yet.
func (s script) run(ctx context.Context, do doer, keys []string, deadline int64, args []any) (string, error) {
	words := make([]any, 0, 4+len(keys)+len(args))
	words = append(words, "evalsha", s.sha, len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	words = append(append(words, deadline), args...)
	reply, err := do(ctx, words...).Text()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		words[0], words[1] = "eval", s.text
		reply, err = do(ctx, words...).Text()
	}
	return reply, err
}

// doer sends a command and waits for its reply.
type doer func(ctx context.Context, words ...any) *redis.Cmd

// scripts are the operations, one each.
type scripts struct {
	reserve, release, entryMove, check, guessCount, cancel, peek, claim, settle, usage script
	messageRecord, messageReceive, messageLink, messagePeek                            script
	limitsPeek, limitsClear, verifiedCount, unverifiedPeek                             script
}

// include is the line of a Lua file that stands for another one of the library.
var include = regexp.MustCompile(`(?m)^ *--include (\w+)$`)

// loadScripts reads each script, with the parts of the library that it includes.
func loadScripts(files fs.FS) scripts {
	read := func(name string) string {
		text, err := fs.ReadFile(files, "lua/"+name+".lua")
		if err != nil {
			panic(err) // the file is part of the program
		}
		return string(text)
	}
	load := func(name string) script {
		text := include.ReplaceAllStringFunc(read(name), func(line string) string {
			return read("lib/" + include.FindStringSubmatch(line)[1])
		})
		return script{text: text, sha: redis.NewScript(text).Hash()}
	}
	return scripts{
		reserve:       load("reserve"),
		release:       load("release"),
		entryMove:     load("entry_move"),
		check:         load("check"),
		guessCount:    load("guess_count"),
		verifiedCount: load("verified_count"),
		cancel:        load("cancel"),
		peek:          load("peek"),
		claim:         load("claim"),
		settle:        load("settle"),
		usage:         load("usage"),

		messageRecord:  load("message_record"),
		messageReceive: load("message_receive"),
		messageLink:    load("message_link"),
		messagePeek:    load("message_peek"),

		limitsPeek:     load("limits_peek"),
		limitsClear:    load("limits_clear"),
		unverifiedPeek: load("unverified_peek"),
	}
}

// run runs a script until it has given its answer, with the deadline put
// before args. Its error is codes.ErrUnavailable.
func (s *Store) run(ctx context.Context, script script, keys []string, args ...any) (string, error) {
	answer, _, err := s.timedRun(ctx, script, keys, args...)
	return answer, err
}

// timedRun is run that also returns when the call that was answered was sent.
func (s *Store) timedRun(ctx context.Context, script script, keys []string, args ...any) (string, time.Time, error) {
	return s.repeat(ctx, keys[0], func(ctx context.Context, deadline int64) (string, error) {
		return script.run(ctx, s.batcher.Do, keys, deadline, args)
	})
}

// repeat makes an exchange with the server that has a key until there is an
// answer, which it returns without the time, and when that exchange began.
func (s *Store) repeat(ctx context.Context, key string, exchange func(ctx context.Context, deadline int64) (string, error)) (string, time.Time, error) {
	ctx = within(ctx, opTimeout)
	deadline, _ := ctx.Deadline()
	lastErr, reached := ctx.Err(), false
	for ctx.Err() == nil {
		begun, clock := time.Now(), s.clockOf(ctx, key)
		answer, err := exchange(ctx, clock.at(deadline))
		if err == nil {
			answer, err = read(clock, answer)
		}
		if err == nil {
			return answer, begun, nil
		}
		reached = reached || !notReached(err)
		if lastErr == nil || ctx.Err() == nil {
			lastErr = err // what stopped it says more than that its time was over
		}
		rest := time.Until(deadline)
		if !refused(err) {
			rest = min(rest, pause)
		}
		if errors.Is(err, errLate) {
			rest = 0 // the reply brought the time
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
	kind := codes.ErrNotReached
	if reached {
		kind = codes.ErrUnavailable
	}
	return "", time.Time{}, fmt.Errorf("%w: redis: %w", kind, lastErr)
}

// notReached reports whether an error says that no script ran: there was no
// connection, or the server runs none for this user or at this time.
func notReached(err error) bool {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) || redis.IsAuthError(err) {
		return true
	}
	for _, prefix := range []string{"NOSCRIPT", "LOADING", "MASTERDOWN", "CLUSTERDOWN"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return errors.Is(err, errLate)
}

// clockOf returns the clock of the server that has a key.
func (s *Store) clockOf(ctx context.Context, key string) *clock {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.clocks.single
	}
	master, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return s.clocks.single // the call will fail too
	}
	return s.clocks.of(master.Options().Addr)
}

// bounded is a context that ends at a deadline, but wakes nobody then: all who
// wait under it look at the deadline too, and a timer that every operation
// sets and none needs would cost more than the rest of it.
type bounded struct {
	context.Context
	deadline time.Time
}

func within(ctx context.Context, d time.Duration) context.Context {
	b := bounded{ctx, time.Now().Add(d)}
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(b.deadline) {
		b.deadline = earlier
	}
	return b
}

func (b bounded) Deadline() (time.Time, bool) { return b.deadline, true }

func (b bounded) Err() error {
	if err := b.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(b.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// refused reports whether Redis forbids an operation or a command inside its
// script. Such a script may have stopped half-way with its reply saved: sent
// again, it would say that all is done. On a replica not even the first write
// is made, so there it is sent again, to the new master.
func refused(err error) bool {
	if redis.IsPermissionError(err) || redis.IsAuthError(err) {
		return true
	}
	var reply redis.Error
	return errors.As(err, &reply) && strings.Contains(reply.Error(), "user_script") && !strings.Contains(reply.Error(), "READONLY")
}

var (
	errLate      = errors.New("ran after its deadline")
	errMalformed = errors.New("malformed answer")
)

// read takes the server's time off a reply.
func read(clock *clock, reply string) (answer string, err error) {
	var seconds, micros int64
	if answer, err = numbers(reply, &seconds, &micros); err != nil {
		return "", err
	}
	clock.sync(seconds*1000 + micros/1000)
	if answer == "late" {
		return "", errLate
	}
	return answer, nil
}

// numbers reads the numbers that an answer begins with, and returns the rest.
func numbers(answer string, into ...*int64) (rest string, err error) {
	for _, n := range into {
		var digits string
		digits, answer, _ = strings.Cut(answer, " ")
		if *n, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return "", errMalformed // which an error that quotes it could tell more of
		}
	}
	return answer, nil
}
