package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
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

//go:embed lua/*.lua
var luaFiles embed.FS

// ourScripts is the folder of the scripts, which is part of the program.
func ourScripts() fs.FS {
	folder, err := fs.Sub(luaFiles, "lua")
	if err != nil {
		panic(err)
	}
	return folder
}

// script is one operation.
type script struct{ text, sha any } // strings, as the client wants them

func newScript(parts ...string) script {
	text := strings.Join(parts, "")
	return script{text: text, sha: redis.NewScript(text).Hash()}
}

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
	put, try, delete, take, count, giveBack, turn, leave, used, claim, settle script
	sent, receipt, link, look, delivery                                       script
}

func loadScripts(files fs.FS) scripts {
	read := func(name string) string {
		text, err := fs.ReadFile(files, name+".lua")
		if err != nil {
			panic(err) // the file is part of the program
		}
		return string(text)
	}
	prelude, entry, notes, log := read("prelude"), read("entry"), read("notes"), read("log")
	plain := func(name string) script { return newScript(prelude, read(name)) }
	ofEntry := func(name string) script { return newScript(prelude, entry, notes, read(name)) }
	ofLog := func(name string) script { return newScript(prelude, log, read(name)) }
	return scripts{
		put: ofEntry("put"), try: ofEntry("try"), delete: ofEntry("delete"), look: newScript(prelude, entry, read("look")), link: plain("link"),
		take: ofLog("take"), count: ofLog("count"), giveBack: ofLog("return"),
		turn: plain("turn"), leave: plain("leave"), used: plain("used"),
		claim: plain("claim"), settle: plain("settle"),
		sent: plain("sent"), receipt: plain("receipt"), delivery: plain("delivery"),
	}
}

// run runs a script until it has given its answer, with the deadline put
// before args. Its error is codes.ErrUnavailable.
func (s *Store) run(ctx context.Context, script script, keys []string, args ...any) (string, error) {
	return s.repeat(ctx, func(ctx context.Context, deadline int64) (string, error) {
		return script.run(ctx, s.convoy.Do, keys, deadline, args)
	})
}

// repeat does an exchange with Redis until it has an answer, which it returns
// without the time.
func (s *Store) repeat(ctx context.Context, exchange func(ctx context.Context, deadline int64) (string, error)) (string, error) {
	ctx = within(ctx, opTimeout)
	deadline, _ := ctx.Deadline()
	lastErr := ctx.Err()
	for ctx.Err() == nil {
		answer, err := exchange(ctx, s.clock.at(deadline))
		if err == nil {
			answer, err = s.read(answer)
		}
		if err == nil {
			return answer, nil
		}
		if lastErr == nil || ctx.Err() == nil {
			lastErr = err // what stopped it says more than that its time was over
		}
		rest := time.Until(deadline)
		if !refused(err) {
			rest = min(rest, pause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
	return "", fmt.Errorf("%w: redis: %w", codes.ErrUnavailable, lastErr)
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

// refused tells that Redis forbids an operation or a command inside its
// script. Such a script may have stopped half-way, its op noted already: sent
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
func (s *Store) read(reply string) (answer string, err error) {
	var seconds, micros int64
	if answer, err = numbers(reply, &seconds, &micros); err != nil {
		return "", err
	}
	s.clock.sync(seconds*1000 + micros/1000)
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
