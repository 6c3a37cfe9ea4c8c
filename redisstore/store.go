package redisstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
)

// Options are how a [Store] uses Redis.
type Options struct {
	Prefix      string // that every key begins with
	MinReplicas int    // replicas of Redis that must acknowledge a right code
	// Done is called after each operation, however often it was tried; nil for nothing.
	Done func(ctx context.Context, operation string, begun time.Time, err error)
}

// Store is a codes.Store on Redis. It is safe for concurrent use, and any
// number of stores on one Redis act as one.
type Store struct {
	Options
	client    redis.UniversalClient
	batcher   *batcher // of the client
	keys      keys
	guesses   any // keys.guessPrefix
	scripts   scripts
	clocks    *clocks
	split     *atomic.Bool  // keys of several slots cannot be in one script
	waitSlots chan struct{} // one in it for each call that waits for replicas
}

var _ codes.Store = (*Store)(nil)

// New returns a Store on an open client.
func New(client redis.UniversalClient, o Options) *Store {
	if o.Done == nil {
		o.Done = func(context.Context, string, time.Time, error) {}
	}
	s := &Store{
		Options: o,
		client:  client,
		batcher: newBatcher(client),
		keys:    keys{o.Prefix},
		guesses: keys{o.Prefix}.guessPrefix(),
		scripts: loadScripts(luaFiles),
		clocks:  newClocks(),
		split:   &atomic.Bool{},
	}
	_, cluster := client.(*redis.ClusterClient)
	s.split.Store(cluster)
	// Where replicas lag, the other operations go on with half of the pool.
	s.waitSlots = make(chan struct{}, max(1, poolSizeOf(client)/2))
	return s
}

// Close closes the client.
func (s *Store) Close() error { return s.client.Close() }

// done reports an operation that has ended.
func (s *Store) done(ctx context.Context, operation string, begun time.Time, err *error) {
	s.Done(ctx, operation, begun, *err)
}

// Split reports whether keys of several slots are served in one step each, as
// on a cluster.
func (s *Store) Split() bool { return s.split.Load() }

func poolSizeOf(client redis.UniversalClient) int {
	switch client := client.(type) {
	case *redis.ClusterClient:
		return client.Options().PoolSize
	case *redis.Client:
		return client.Options().PoolSize
	}
	return poolSize
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func wholeSeconds(millis int64) time.Duration {
	return time.Duration((millis+999)/1000) * time.Second
}
