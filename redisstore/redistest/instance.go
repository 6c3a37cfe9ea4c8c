package redistest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/flowroute/sms-verification/redisstore/embedded"
)

// The values of Instance.Mode, which are those of REDIS_MODE.
const (
	Standalone = "standalone"
	Failover   = "sentinel"
	Clustered  = "cluster"
)

// Instance is a Redis for one test and its subtests.
type Instance struct {
	URL   string  // as REDIS_URL
	Mode  string  // as REDIS_MODE
	Addr  string  // the first host:port of URL, as the target of a Proxy
	Nodes []*Node // the processes that hold data, masters first; none on Mini

	mini   *embedded.Server
	client redis.UniversalClient
}

// Mini opens the in-process Redis of debug mode.
func Mini(t testing.TB) *Instance {
	t.Helper()
	server, err := embedded.Start()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(server.Close)
	opt, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal("redistest: the URL of the embedded Redis cannot be parsed")
	}
	return connect(t, &Instance{URL: server.URL(), Mode: Standalone, Addr: opt.Addr, mini: server})
}

// Server starts a redis-server without persistence. Each config is a further line of
// redis.conf, such as "appendonly yes". The default user must have no password; add
// users instead ("user app on >secret …").
func Server(t testing.TB, config ...string) *Instance {
	t.Helper()
	node := startNode(t, config)
	return connect(t, &Instance{
		URL: "redis://" + node.Addr + "/0", Mode: Standalone, Addr: node.Addr, Nodes: []*Node{node},
	})
}

// connect opens the client of the instance.
func connect(t testing.TB, i *Instance) *Instance {
	t.Helper()
	var err error
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch i.Mode {
	case Standalone:
		var opt *redis.Options
		if opt, err = redis.ParseURL(i.URL); err == nil {
			opt.MaintNotificationsConfig = quiet
			i.client = redis.NewClient(opt)
		}
	case Failover:
		var opt *redis.FailoverOptions
		if opt, err = redis.ParseFailoverURL(i.URL); err == nil {
			i.client = redis.NewFailoverClient(opt)
		}
	case Clustered:
		var opt *redis.ClusterOptions
		if opt, err = redis.ParseClusterURL(i.URL); err == nil {
			opt.MaintNotificationsConfig = quiet
			opt.ClusterStateReloadInterval = time.Second // by default a dead master is noticed after a minute
			i.client = redis.NewClusterClient(opt)
		}
	}
	if err != nil {
		t.Fatalf("redistest: parse the URL of %s: %v", i.Mode, err)
	}
	t.Cleanup(func() { _ = i.client.Close() })
	return i
}

// Client returns a client for the mode of the instance, to inspect it. It is closed
// with the test.
func (i *Instance) Client() redis.UniversalClient { return i.client }

// Advance lets the time d pass in Redis: on Mini it moves the clock, elsewhere it
// sleeps.
func (i *Instance) Advance(d time.Duration) {
	if i.mini != nil {
		i.mini.Advance(d)
		return
	}
	time.Sleep(d)
}

// Signal sends a signal to the first node; see [Node.Signal].
func (i *Instance) Signal(sig os.Signal) { i.Nodes[0].Signal(sig) }

// Restart starts the first node again; see [Node.Restart].
func (i *Instance) Restart() { i.Nodes[0].Restart() }

// eachMaster runs fn on every master, in parallel.
func (i *Instance) eachMaster(ctx context.Context, fn func(redis.UniversalClient) error) error {
	if cluster, ok := i.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error { return fn(c) })
	}
	return fn(i.client)
}
