package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

const (
	masterName = "mymaster"
	slots      = 16384
)

// Sentinel starts a master and a replica behind three sentinels, which declare the
// master down after half a second. Nodes holds the first master, then the first
// replica. It takes half a second, before Redis 7 four.
func Sentinel(t testing.TB) *Instance {
	t.Helper()
	master := startNode(t, nil)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := startNode(t, []string{"replicaof " + host + " " + port})
	waitFor(t, "replica", linked(replica.Client()))

	config := []string{
		"sentinel monitor " + masterName + " " + host + " " + port + " 2",
		"sentinel down-after-milliseconds " + masterName + " 500",
		"sentinel failover-timeout " + masterName + " 2000",
	}
	sentinels := startNodes(t, 3, config, "--sentinel")
	clients := make([]*redis.SentinelClient, len(sentinels))
	for i, s := range sentinels {
		c := redis.NewSentinelClient(&redis.Options{Addr: s.Addr})
		t.Cleanup(func() { _ = c.Close() })
		clients[i] = c
		// They find each other by publishing, by default every 2s. Redis 6.2 has no
		// command to change that: an error only means to wait longer.
		ctx := context.Background()
		_ = c.Process(ctx, redis.NewCmd(ctx, "sentinel", "debug", "publish-period", 100, "info-period", 1000))
	}
	for _, c := range clients {
		waitFor(t, "sentinels", agreed(c, len(sentinels)))
	}
	return connect(t, &Instance{
		URL:   urlOf(sentinels, "master_name="+masterName),
		Mode:  Failover,
		Addr:  sentinels[0].Addr,
		Nodes: []*Node{master, replica},
	})
}

// SentinelOf starts one sentinel that monitors the master at an address. Each config
// is a further line of its redis.conf.
func SentinelOf(t testing.TB, address string, config ...string) *Node {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	return startNode(t, append(config, "sentinel monitor "+masterName+" "+host+" "+port+" 1"), "--sentinel")
}

// Cluster starts a cluster of three masters, which declare each other down after two
// seconds. It takes about two seconds.
func Cluster(t testing.TB) *Instance {
	t.Helper()
	return cluster(t, 0)
}

// ClusterWithReplicas starts a cluster of three masters with a replica each:
// Nodes[3] replicates Nodes[0], and so on.
func ClusterWithReplicas(t testing.TB) *Instance {
	t.Helper()
	return cluster(t, 3)
}

// cluster forms a cluster in the steps of redis-cli --cluster create.
func cluster(t testing.TB, replicas int) *Instance {
	t.Helper()
	const masters = 3
	nodes := startNodes(t, masters+replicas, []string{"cluster-enabled yes", "cluster-node-timeout 2000"})
	ctx := context.Background()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("redistest: form the cluster: %v", err)
		}
	}
	clients := make([]*redis.Client, len(nodes))
	for i, n := range nodes {
		clients[i] = n.Client()
		check(clients[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		if i < masters {
			check(clients[i].ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err())
		}
		if i > 0 {
			host, port, _ := net.SplitHostPort(n.Addr)
			check(clients[0].ClusterMeet(ctx, host, port).Err())
		}
	}
	for i := range replicas {
		id, err := clients[i].Do(ctx, "cluster", "myid").Text()
		check(err)
		waitFor(t, "replicate", func() error { // fails until it knows the master
			return clients[masters+i].ClusterReplicate(ctx, id).Err()
		})
	}
	for i, c := range clients {
		waitFor(t, "cluster", formed(c, masters, len(nodes)))
		if i >= masters {
			waitFor(t, "replica", linked(c))
		}
	}
	return connect(t, &Instance{URL: urlOf(nodes[:masters], ""), Mode: Clustered, Addr: nodes[0].Addr, Nodes: nodes})
}

func startNodes(t testing.TB, count int, config []string, flags ...string) []*Node {
	t.Helper()
	nodes := make([]*Node, count)
	for i := range nodes {
		nodes[i] = startNode(t, config, flags...)
	}
	return nodes
}

// urlOf returns one URL with all nodes.
func urlOf(nodes []*Node, query string) string {
	params := []string{}
	if query != "" {
		params = append(params, query)
	}
	for _, n := range nodes[1:] {
		params = append(params, "addr="+n.Addr)
	}
	return "redis://" + nodes[0].Addr + "?" + strings.Join(params, "&")
}

// linked returns a condition: the replica is in step with its master.
func linked(c *redis.Client) func() error {
	return func() error {
		info, err := c.Info(context.Background(), "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("not in step with its master")
		}
		return err
	}
}

// agreed returns a condition: this sentinel sees the master, a replica that can be
// promoted, and the other sentinels.
func agreed(c *redis.SentinelClient, sentinels int) func() error {
	return func() error {
		ctx := context.Background()
		m, err := c.Master(ctx, masterName).Result()
		if err != nil {
			return err
		}
		if m["flags"] != "master" || m["num-slaves"] != "1" || m["num-other-sentinels"] != fmt.Sprint(sentinels-1) {
			return fmt.Errorf("sees %s, %s replicas, %s other sentinels", m["flags"], m["num-slaves"], m["num-other-sentinels"])
		}
		replicas, err := c.Replicas(ctx, masterName).Result()
		if err != nil {
			return err
		}
		if r := replicas[0]; r["flags"] != "slave" || r["master-link-status"] != "ok" {
			return fmt.Errorf("sees replica %s, link %s", r["flags"], r["master-link-status"])
		}
		return c.CkQuorum(ctx, masterName).Err()
	}
}

// formed returns a condition: this node serves, and knows all nodes and the masters of
// all slots.
func formed(c *redis.Client, masters, nodes int) func() error {
	return func() error {
		ctx := context.Background()
		info, err := c.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		ranges, err := c.Do(ctx, "cluster", "slots").Slice() // not SHARDS, which Redis 6.2 does not have
		if err != nil {
			return err
		}
		known := 0
		for _, r := range ranges {
			known += len(r.([]any)) - 2 // first and last slot, then the nodes
		}
		if !strings.Contains(info, "cluster_state:ok") || len(ranges) != masters || known != nodes {
			return fmt.Errorf("serves %d of %d ranges with %d of %d nodes:\n%s", len(ranges), masters, known, nodes, info)
		}
		return nil
	}
}
