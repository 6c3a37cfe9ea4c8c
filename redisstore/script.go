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

// Bounds of one operation. The store retries it with the same op until it has an
// answer or its deadline has passed. Only then may it fail: until then a script
// that was sent before can still take effect.
const (
	opTimeout  = 500 * time.Millisecond
	tryTimeout = 250 * time.Millisecond // of one attempt
	pause      = 10 * time.Millisecond  // between two attempts
)

//go:embed lua
var luaFiles embed.FS

// script is one Lua script. Its fields are strings, kept as any because the client takes
// arguments of that type.
type script struct{ text, sha any }

// command returns the words that call the script by its hash, or with its text.
func (s script) command(withText bool, keys []string, deadline int64, args []any) []any {
	words := append(make([]any, 0, 4+len(keys)+len(args)), "evalsha", s.sha, len(keys))
	if withText {
		words[0], words[1] = "eval", s.text
	}
	for i := range keys {
		words = append(words, &keys[i]) // a pointer needs no allocation
	}
	return append(append(words, deadline), args...)
}

// doer sends a command and returns its reply.
type doer func(ctx context.Context, words ...any) *redis.Cmd

type scripts struct {
	reserve, release, entryMove, check, guessCount, cancel, peek, claim, settle, usage script
	messageRecord, messageReceive, messageLink, messagePeek                            script
	limitsPeek, limitsClear, verifiedCount, unverifiedPeek                             script
}

// include matches a line that includes a file of lua/lib.
var include = regexp.MustCompile(`(?m)^ *--include (\w+)$`)

// loadScripts reads the scripts with the library files that they include.
func loadScripts(files fs.FS) scripts {
	read := func(name string) string {
		text, err := fs.ReadFile(files, "lua/"+name+".lua")
		if err != nil {
			panic(err) // the file is embedded in the program
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

// run runs a script until it has answered, with the deadline as its first
// argument. Its error is codes.ErrUnavailable.
func (s *Store) run(ctx context.Context, script script, keys []string, args ...any) (string, error) {
	answer, _, err := s.retry(ctx, s.batcher.Do, script, keys, args)
	return answer, err
}

// retry is run through any doer. It also returns when the attempt that was answered
// began.
func (s *Store) retry(ctx context.Context, do doer, script script, keys []string, args []any) (string, time.Time, error) {
	ctx = within(ctx, opTimeout)
	deadline, _ := ctx.Deadline()
	lastErr, reached, withText := ctx.Err(), false, false
	for ctx.Err() == nil {
		begun, clock := time.Now(), s.clockOf(ctx, keys[0])
		answer, err := do(ctx, script.command(withText, keys, clock.at(deadline), args)...).Text()
		if err == nil {
			answer, err = readReply(clock, answer)
		}
		if err == nil {
			return answer, begun, nil
		}
		reached = reached || !notReached(err)
		if lastErr == nil || ctx.Err() == nil {
			lastErr = err // it says more than that the deadline has passed
		}
		delay := time.Until(deadline)
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			delay, withText = 0, true
		case errors.Is(err, errLate): // the reply has set the clock
			delay = 0
		case !refused(err):
			delay = min(delay, pause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	kind := codes.ErrNotReached
	if reached {
		kind = codes.ErrUnavailable
	}
	return "", time.Time{}, fmt.Errorf("%w: redis: %w", kind, lastErr)
}

// notReached reports whether no script ran: there was no connection, or the
// server refuses scripts for this user or at this time.
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
		return s.clocks.single // the attempt will fail too
	}
	return s.clocks.of(master.Options().Addr)
}

// bounded is a context with a deadline and without a timer: its Done channel does
// not close at the deadline. Everything that waits under it checks the deadline
// itself, and a timer would cost more than the rest of an operation.
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

// refused reports whether Redis forbids an operation, or a command inside its
// script. It must not be retried: the script may have stopped half-way with its
// reply saved, and would then report success. READONLY is retried, on the new
// master: a replica refuses even the first write.
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

// readReply sets the clock by a reply, and returns the reply without its timestamp.
func readReply(clock *clock, reply string) (answer string, err error) {
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

// numbers parses the numbers at the beginning of an answer and returns the rest.
func numbers(answer string, into ...*int64) (rest string, err error) {
	for _, n := range into {
		var digits string
		digits, answer, _ = strings.Cut(answer, " ")
		if *n, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return "", errMalformed // without quoting it: answers hold digests
		}
	}
	return answer, nil
}
