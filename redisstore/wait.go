package redisstore

import (
	"context"
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
	return s.repeat(ctx, func(ctx context.Context, deadline int64) (string, error) {
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
		copies, err := conn.Wait(ctx, s.copies, waitTimeout).Result()
		if err == nil && copies < int64(s.copies) {
			err = fmt.Errorf("%d of %d replicas took note", copies, s.copies)
		}
		return reply, err
	})
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
