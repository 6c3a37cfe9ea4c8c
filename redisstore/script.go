package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
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
	remember   = 2 * time.Second        // how long Redis knows an op: longer than anybody repeats it
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

// scripts are the operations, one each.
type scripts struct {
	put, try, delete, take, count, giveBack, turn, claim, settle *redis.Script
	sent, receipt, link, look, delivery                          *redis.Script
}

func loadScripts(files fs.FS) scripts {
	read := func(name string) string {
		text, err := fs.ReadFile(files, name+".lua")
		if err != nil {
			panic(err) // the file is part of the program
		}
		return string(text)
	}
	prelude := read("prelude")
	load := func(name string) *redis.Script { return redis.NewScript(prelude + read(name)) }
	return scripts{
		put: load("put"), try: load("try"), delete: load("delete"),
		take: load("take"), count: load("count"), giveBack: load("return"), turn: load("turn"),
		claim: load("claim"), settle: load("settle"),
		sent: load("sent"), receipt: load("receipt"), link: load("link"), look: load("look"), delivery: load("delivery"),
	}
}

// run runs a script until it has given its answer, with the deadline put
// before args. It returns what the script returned after the time, the
// answer first. Its error is codes.ErrUnavailable.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	return s.repeat(ctx, args, func(ctx context.Context, argv []any) ([]any, error) {
		return script.Run(ctx, s.client, keys, argv...).Slice()
	})
}

// repeat does the exchange with Redis until it has an answer.
func (s *Store) repeat(ctx context.Context, args []any, exchange func(context.Context, []any) ([]any, error)) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	argv := append([]any{nil}, args...)
	lastErr := ctx.Err()
	for ctx.Err() == nil {
		argv[0] = s.clock.at(deadline)
		reply, err := exchange(ctx, argv)
		if err == nil {
			reply, err = s.read(reply)
		}
		if err == nil {
			return reply, nil
		}
		if lastErr == nil || ctx.Err() == nil {
			lastErr = err // what stopped it says more than that its time was over
		}
		if refused(err) {
			<-ctx.Done()
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil, fmt.Errorf("%w: redis: %w", codes.ErrUnavailable, lastErr)
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

var errLate = errors.New("ran after its deadline")

// read takes the server's time off a reply.
func (s *Store) read(reply []any) ([]any, error) {
	if len(reply) < 2 {
		return nil, errors.New("short reply")
	}
	now, ok := reply[0].(int64)
	if !ok {
		return nil, errors.New("reply without the time")
	}
	s.clock.sync(now)
	if reply[1] == "late" {
		return nil, errLate
	}
	return reply[1:], nil
}
