package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
)

// Options configure a [Store].
type Options struct {
	Prefix      string // of every key
	MinReplicas int    // number of Redis replicas that must acknowledge a correct code
	// Done is called once after each operation, retries included. It may be nil.
	Done func(ctx context.Context, operation string, begun time.Time, err error)
}

// Store is a codes.Store on Redis. It is safe for concurrent use, and any
// number of stores on one Redis act as one.
type Store struct {
	Options
	client    redis.UniversalClient
	batcher   *batcher // in front of client
	keys      keys
	prefix    any // of every key, as an argument of scripts
	scripts   scripts
	clocks    *clocks
	split     *atomic.Bool  // one script cannot use keys of several slots
	waitSlots chan struct{} // holds one value for each call that waits for replicas
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
		prefix:  o.Prefix,
		scripts: loadScripts(luaFiles),
		clocks:  newClocks(),
		split:   &atomic.Bool{},
	}
	_, cluster := client.(*redis.ClusterClient)
	s.split.Store(cluster)
	// Half of the pool, so that lagging replicas do not stop the other operations.
	s.waitSlots = make(chan struct{}, max(1, poolSizeOf(client)/2))
	return s
}

// Close closes the client.
func (s *Store) Close() error { return s.client.Close() }

// end ends an operation: it wraps its error and reports it to Done.
func (s *Store) end(ctx context.Context, operation string, begun time.Time, err *error) {
	*err = wrap(operation, *err)
	s.Done(ctx, operation, begun, *err)
}

func wrap(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redisstore: %s: %w", operation, err)
}

// Split reports whether an operation takes one script for each slot, as on a
// cluster.
func (s *Store) Split() bool { return s.split.Load() }

// Pool is the state of the connections to all Redis nodes.
type Pool struct {
	Total, Idle      uint32 // connections now
	Misses, Timeouts uint32 // so far: none was idle, or none became free in time
}

// Pool returns the state of the connections.
func (s *Store) Pool() Pool {
	p := s.client.PoolStats()
	return Pool{Total: p.TotalConns, Idle: p.IdleConns, Misses: p.Misses, Timeouts: p.Timeouts}
}

func poolSizeOf(client redis.UniversalClient) int {
	switch client := client.(type) {
	case *redis.ClusterClient:
		return client.Options().PoolSize
	case *redis.Client:
		return client.Options().PoolSize
	}
	return poolSize
}

func wholeSeconds(millis int64) time.Duration {
	return time.Duration((millis+999)/1000) * time.Second
}
