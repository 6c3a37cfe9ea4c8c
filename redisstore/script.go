package redisstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
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

// scripts are the operations, one each.
type scripts struct {
	put, try, delete, take, count, giveBack, turn *redis.Script
}

func loadScripts() scripts {
	prelude := readLua("prelude")
	load := func(name string) *redis.Script { return redis.NewScript(prelude + readLua(name)) }
	return scripts{
		put: load("put"), try: load("try"), delete: load("delete"),
		take: load("take"), count: load("count"), giveBack: load("return"), turn: load("turn"),
	}
}

func readLua(name string) string {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(text)
}

// run runs a script until it has given its answer, with the deadline put
// before args. It returns what the script returned after the time, the
// answer first. Its error is codes.ErrUnavailable.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	argv := append([]any{nil}, args...)
	lastErr := ctx.Err()
	for ctx.Err() == nil {
		argv[0] = s.clock.at(deadline)
		reply, err := script.Run(ctx, s.client, keys, argv...).Slice()
		if err == nil {
			reply, err = s.read(reply)
		}
		if err == nil {
			return reply, nil
		}
		if lastErr == nil || ctx.Err() == nil {
			lastErr = err // what stopped it says more than that its time was over
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil, fmt.Errorf("%w: redis: %w", codes.ErrUnavailable, lastErr)
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
