package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// waitTimeout is how long one WAIT may take; it is repeated while there is time.
const waitTimeout = 200 * time.Millisecond

// runAndWait is run, but an answer "right" counts only when enough replicas
// have it. WAIT speaks of what its own connection wrote, so both go over one
// connection to the master of the key.
func (s *Store) runAndWait(ctx context.Context, script script, keys []string, args ...any) (string, error) {
	answer, _, err := s.repeat(ctx, keys[0], func(ctx context.Context, deadline int64) (string, error) {
		if !s.mayWait(ctx) {
			return "", errors.New("too many wait for replicas")
		}
		defer func() { <-s.waitSlots }()
		master, err := s.masterOf(ctx, keys[0])
		if err != nil {
			return "", err
		}
		conn := master.Conn()
		defer func() { _ = conn.Close() }()
		reply, err := script.run(ctx, conn.Do, keys, deadline, args)
		if err != nil || !strings.Contains(reply, " right ") {
			return reply, err
		}
		acknowledged, err := conn.Wait(ctx, s.MinReplicas, waitTimeout).Result()
		if err == nil && acknowledged < int64(s.MinReplicas) {
			err = fmt.Errorf("%d of %d replicas acknowledged", acknowledged, s.MinReplicas)
		}
		return reply, err
	})
	return answer, err
}

// mayWait takes one of the places in waitSlots, unless there is none while ctx lasts.
func (s *Store) mayWait(ctx context.Context) bool {
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
