package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// waitTimeout bounds one WAIT, which is retried until the deadline.
const waitTimeout = 200 * time.Millisecond

// runAndWait is run, but an answer "right" counts only once MinReplicas replicas have
// acknowledged it.
func (s *Store) runAndWait(ctx context.Context, script script, keys []string, args ...any) (string, error) {
	do := func(ctx context.Context, words ...any) *redis.Cmd {
		cmd := redis.NewCmd(ctx, words...)
		if err := s.doAndWait(ctx, keys[0], cmd); err != nil {
			cmd.SetErr(err)
		}
		return cmd
	}
	answer, _, err := s.retry(ctx, do, script, keys, args)
	return answer, err
}

// doAndWait sends a command and, if its reply is "right", waits for the replicas. WAIT
// covers only the writes of its own connection, so both use one connection to the
// master of the key.
func (s *Store) doAndWait(ctx context.Context, key string, cmd *redis.Cmd) error {
	if !s.takeWaitSlot(ctx) {
		return errors.New("too many calls wait for replicas")
	}
	defer func() { <-s.waitSlots }()
	master, err := s.masterOf(ctx, key)
	if err != nil {
		return err
	}
	conn := master.Conn()
	defer func() { _ = conn.Close() }()
	_ = conn.Process(ctx, cmd)
	reply, err := cmd.Text()
	if err != nil || !strings.Contains(reply, " right ") {
		return err
	}
	acknowledged, err := conn.Wait(ctx, s.MinReplicas, waitTimeout).Result()
	if err == nil && acknowledged < int64(s.MinReplicas) {
		err = fmt.Errorf("%d of %d replicas acknowledged", acknowledged, s.MinReplicas)
	}
	return err
}

// takeWaitSlot takes one of waitSlots, or returns false at the deadline of ctx.
func (s *Store) takeWaitSlot(ctx context.Context) bool {
	deadline, _ := ctx.Deadline()
	select {
	case s.waitSlots <- struct{}{}:
		return true
	case <-time.After(time.Until(deadline)):
		return false
	}
}

func (s *Store) masterOf(ctx context.Context, key string) (*redis.Client, error) {
	switch client := s.client.(type) {
	case *redis.ClusterClient:
		return client.MasterForKey(ctx, key)
	case *redis.Client:
		return client, nil
	}
	return nil, fmt.Errorf("no master of a %T", s.client)
}
