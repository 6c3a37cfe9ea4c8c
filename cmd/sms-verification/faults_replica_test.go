package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// failoverFaults are the rows about several Redis.
func failoverFaults() []fault {
	const served = "works again within <bound> after the replica is promoted"
	return []fault{
		{name: "sentinel failover", bound: 3 * time.Second, run: func(t *testing.T, bound time.Duration) string {
			return faultFailsOver(t, redistest.Sentinel(t), 1, bound)
		},
			what: "the master behind sentinels killed under load",
			want: served, kept: "no used code is valid again"},
		{name: "cluster failover", bound: 3 * time.Second, run: func(t *testing.T, bound time.Duration) string {
			return faultFailsOver(t, redistest.ClusterWithReplicas(t), 3, bound)
		},
			what: "a cluster's master killed under load",
			want: served, kept: "no used code is valid again"},
		{name: "read-only", bound: 2 * time.Second, run: faultReadOnly,
			what: "Redis becomes an empty replica of another for 1 s under load (`READONLY`)",
			want: "works again within <bound> after it is back"},
		{name: "slots move", bound: 2 * time.Second, run: faultSlotsMove,
			what: "slots of a cluster move, key by key, while their codes are checked",
			want: "only correct answers and 503, each within <bound>"},
		{name: "permissions on a cluster", bound: time.Second, run: func(t *testing.T, bound time.Duration) string { return faultPermitted(t, redistest.Cluster(t), bound) },
			what: "a Redis user with exactly the documented commands, on a cluster",
			want: "no failure, answers within <bound>"},
	}
}

// replicaFaults are the rows about several replicas of the service.
func replicaFaults() []fault {
	return []fault{
		{name: "replica killed", bound: time.Second, run: faultReplicaKilled,
			what: "one of three replicas behind nginx killed under load (`proxy_next_upstream off`, `max_fails=1`)",
			want: "only requests in progress on it, or sent to it afterwards, fail; all began within <bound>"},
		{name: "replica ended", bound: 5 * time.Second, run: faultReplicaEnded,
			what: "one of three replicas behind nginx terminated (SIGTERM) under load; nginx reloads without it when it is no longer ready",
			want: "no request fails, it exits with 0 within <bound>"},
	}
}

// faultFailsOver kills the first master and waits for its replica to take over.
func faultFailsOver(t *testing.T, redisServers *redistest.Instance, replica int, bound time.Duration) string {
	s := setUp(t, redisServers)
	s.serve()
	l := s.loads(4, func(l *load) { l.forgets = true }) // what the replica did not have yet
	time.Sleep(phase())
	client := nodeClient(t, s.redis.Nodes[replica])
	s.redis.Signal(syscall.SIGKILL)
	since := time.Now()
	eventually(t, 20*time.Second, "the replica is promoted", func() bool {
		role, err := client.Do(t.Context(), "role").Slice()
		return err == nil && role[0] == "master"
	})
	promoted := time.Now()
	result := l.recovers(promoted, bound)
	if l.answers[gotUnavailable] == 0 {
		t.Error("no request failed: there was no failover")
	}
	return fmt.Sprintf("promoted %s after the kill, %s", millis(promoted.Sub(since)), result)
}

func faultReadOnly(t *testing.T, bound time.Duration) string {
	s, other := setUp(t, redistest.Server(t)), redistest.Server(t)
	s.serve()
	l := s.loads(4, func(l *load) { l.forgets = true })
	time.Sleep(phase())
	host, port, _ := net.SplitHostPort(other.Addr)
	follow := func(host, port string) {
		if err := s.redis.Client().SlaveOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	follow(host, port)
	time.Sleep(time.Second)
	follow("NO", "ONE")
	result := l.recovers(time.Now(), bound)
	if l.answers[gotUnavailable] == 0 {
		t.Error("no request failed: it was not read-only")
	}
	return result
}

// faultSlotsMove moves the slots of live entries from the first master to the
// second while their codes are checked.
func faultSlotsMove(t *testing.T, bound time.Duration) string {
	const prefix = "moving:"
	s := setUp(t, redistest.Cluster(t), "REDIS_KEY_PREFIX="+prefix)
	p := s.serve()
	l := s.loads(2)
	entries := s.made(p.URL, 60)
	from, to := nodeClient(t, s.redis.Nodes[0]), nodeClient(t, s.redis.Nodes[1])
	slots := map[int64]bool{}
	for _, key := range s.redis.Keys(t, prefix) {
		if slot, err := from.ClusterKeySlot(t.Context(), key).Result(); err != nil {
			t.Fatal(err)
		} else if slot < 16384/3 { // of the first master
			slots[slot] = true
		}
	}
	nodes := []*redis.Client{from, to, nodeClient(t, s.redis.Nodes[2])}
	var moving sync.WaitGroup
	for slot := range slots {
		moving.Go(func() { moveSlot(t, nodes, s.redis.Nodes[1].Addr, slot) })
	}
	for round := range 5 { // everybody at the same time, while slots are on their way
		timed(len(entries)/5, func(i int) { l.examine(entries[round*len(entries)/5+i], i%5) })
	}
	moving.Wait()
	time.Sleep(phase() / 2)
	result := l.finish()
	l.only(gotCreated, gotRight, gotWrong, gotUnknown, gotUnavailable)
	l.within(bound)
	if len(slots) < 5 {
		t.Errorf("only %d slots to move", len(slots))
	}
	return fmt.Sprintf("%d slots moved, %s", len(slots), result)
}

func nodeClient(t *testing.T, n *redistest.Node) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: n.Addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// moveSlot moves one slot from the first node to the second in the steps of
// redis-cli --cluster reshard, with a pause between them.
func moveSlot(t *testing.T, nodes []*redis.Client, target string, slot int64) {
	ctx, pause := t.Context(), func() { time.Sleep(100 * time.Millisecond) }
	do := func(c *redis.Client, args ...any) any {
		reply, err := c.Do(ctx, args...).Result()
		if err != nil {
			t.Errorf("%v: %v", args[:2], err)
		}
		return reply
	}
	source, to := nodes[0], nodes[1]
	sourceID, targetID := do(source, "cluster", "myid"), do(to, "cluster", "myid")
	do(to, "cluster", "setslot", slot, "importing", sourceID)
	do(source, "cluster", "setslot", slot, "migrating", targetID)
	pause()
	host, port, _ := net.SplitHostPort(target)
	for {
		keys, _ := do(source, "cluster", "getkeysinslot", slot, 1).([]any)
		if len(keys) == 0 {
			break
		}
		do(source, append([]any{"migrate", host, port, "", 0, 1000, "keys"}, keys...)...)
	}
	pause()
	for _, node := range []*redis.Client{to, source, nodes[2]} {
		do(node, "cluster", "setslot", slot, "node", targetID)
	}
}

// faultPermitted runs a load as the documented user.
func faultPermitted(t *testing.T, redisServers *redistest.Instance, bound time.Duration) string {
	args := []any{"acl", "setuser"}
	for rule := range strings.FieldsSeq(strings.TrimPrefix(documentedUser(t), "user ")) {
		args = append(args, rule)
	}
	if redisServers.Mode == redistest.Clustered {
		args = append(args, "+cluster|slots", "+command")
	}
	for _, n := range redisServers.Nodes {
		if err := nodeClient(t, n).Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	s := setUp(t, redisServers, append(asDocumentedUser(redisServers), "SEND_LIMITS_TOTAL=1000000/1h")...)
	s.serve()
	l := s.loads(4)
	time.Sleep(phase())
	result := l.finish()
	l.only(gotCreated, gotRight, gotWrong, gotUnknown)
	l.within(bound)
	return result
}

// nginx is a load balancer before replicas.
type nginx struct {
	t    *testing.T
	path string // of the program
	dir  string
	addr string
}

const nginxConfig = `
daemon off;
%s
worker_processes 1;
pid DIR/pid;
error_log DIR/error.log;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	upstream replicas {
%s		keepalive 16;
	}
	server {
		listen %s;
		location / {
			proxy_pass http://replicas;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_next_upstream off;
		}
	}
}
`

// balance starts nginx before the services, or skips the test without it.
func (s *scene) balance() *nginx {
	s.Helper()
	path := "/usr/sbin/nginx" // which is not in everybody's PATH
	if _, err := os.Stat(path); err != nil {
		path = installed(s, "nginx")
	}
	n := &nginx{t: s.T, path: path, dir: s.TempDir(), addr: codestest.FreeAddr(s)}
	n.configure(s.fleet)
	cmd := n.command()
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	eventually(s, 10*time.Second, "nginx listens", func() bool { return isReady("http://" + n.addr) })
	return n
}

func (n *nginx) command(args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), n.path, append([]string{"-p", n.dir, "-c", filepath.Join(n.dir, "conf")}, args...)...)
}

// configure writes the configuration for these replicas.
func (n *nginx) configure(replicas []*process) {
	n.t.Helper()
	servers, user := "", ""
	for _, p := range replicas {
		servers += "\t\tserver " + strings.TrimPrefix(p.URL, "http://") + " max_fails=1 fail_timeout=30s;\n"
	}
	if os.Getuid() == 0 {
		user = "user root;" // else the workers may not enter the directory
	}
	text := strings.ReplaceAll(fmt.Sprintf(nginxConfig, user, servers, n.addr), "DIR", n.dir)
	if err := os.WriteFile(filepath.Join(n.dir, "conf"), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// behindNginx starts three replicas behind nginx, with creates that take a
// while, and a load that opens a connection for each request: nginx closes
// those that are kept when it reloads.
func behindNginx(t *testing.T, extra ...string) (*scene, *nginx, *load) {
	s := setUp(t, redistest.Server(t), extra...)
	for range 3 {
		s.serve()
	}
	fail(t, s.sim, "", flowroutetest.Fault{Kind: flowroutetest.Slow, Delay: 30 * time.Millisecond})
	n := s.balance()
	return s, n, s.loads(balancedWorkers, func(l *load) {
		l.urls, l.headers = []string{"http://" + n.addr}, []string{"Connection: close"}
	})
}

const balancedWorkers = 8

func faultReplicaKilled(t *testing.T, bound time.Duration) string {
	s, _, l := behindNginx(t)
	time.Sleep(phase())
	s.fleet[1].signal(syscall.SIGKILL)
	since := time.Now()
	<-s.fleet[1].exited
	time.Sleep(phase())
	failed := l.failedFor(since)
	result := l.finish()
	l.only(gotCreated, gotRight, gotWrong, gotUnknown, gotNothing)
	// Each worker has at most four requests under way.
	if n := l.answers[gotNothing]; n == 0 || n > 4*balancedWorkers || failed > bound {
		t.Errorf("%d requests failed, the last began after %v", n, failed)
	}
	return result
}

func faultReplicaEnded(t *testing.T, bound time.Duration) string {
	s, n, l := behindNginx(t, "SHUTDOWN_DELAY=2s")
	time.Sleep(phase())
	s.fleet[1].signal(syscall.SIGTERM)
	began := time.Now()
	eventually(t, time.Second, "not ready", func() bool { return !isReady(s.fleet[1].Admin) })
	n.configure([]*process{s.fleet[0], s.fleet[2]})
	if out, err := n.command("-s", "reload").CombinedOutput(); err != nil {
		t.Fatalf("reload: %v %s", err, out)
	}
	status := s.fleet[1].exit(t, bound)
	took := time.Since(began)
	time.Sleep(phase())
	result := l.finish()
	l.only(gotCreated, gotRight, gotWrong, gotUnknown)
	if status != 0 {
		t.Errorf("exit status %d", status)
	}
	return fmt.Sprintf("ended after %s, %s", millis(took), result)
}
