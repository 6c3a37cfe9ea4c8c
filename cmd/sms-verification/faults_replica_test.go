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
		{name: "sentinel failover", bound: 3 * time.Second, run: faultFailsOver(redistest.Sentinel, 1),
			what: "the master behind sentinels killed under load",
			want: served, kept: "no used code is valid again"},
		{name: "cluster failover", bound: 3 * time.Second, run: faultFailsOver(redistest.ClusterWithReplicas, 3),
			what: "a cluster's master killed under load",
			want: served, kept: "no used code is valid again"},
		{name: "read-only", bound: 2 * time.Second, run: faultReadOnly,
			what: "Redis becomes an empty replica of another for 1 s under load (`READONLY`)",
			want: "works again within <bound> after it is back"},
		{name: "slots move", bound: 2 * time.Second, run: faultSlotsMove,
			what: "slots of a cluster move, key by key, while their codes are checked",
			want: "only correct answers and 503, each within <bound>"},
		{name: "permissions on a cluster", bound: time.Second, run: faultPermitted(redistest.Cluster),
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
func faultFailsOver(open func(testing.TB) *redistest.Instance, replica int) func(*testing.T, time.Duration) string {
	return func(t *testing.T, bound time.Duration) string {
		s := served(t, open(t))
		l := s.loads(4, forgetful) // what the replica did not have yet
		time.Sleep(phase())
		client := s.redis.Nodes[replica].Client()
		s.redis.Signal(syscall.SIGKILL)
		since := time.Now()
		codestest.Await(t, 20*time.Second, "the replica is promoted", func() bool {
			role, err := client.Do(t.Context(), "role").Slice()
			return err == nil && role[0] == "master"
		})
		promoted := time.Now()
		return fmt.Sprintf("promoted %s after the kill, %s", millis(promoted.Sub(since)), l.failedThenRecovers(promoted, bound))
	}
}

func forgetful(l *load) { l.forgets = true }

// failedThenRecovers is recovers after a fault that must have made requests fail.
func (l *load) failedThenRecovers(since time.Time, bound time.Duration) string {
	l.Helper()
	result := l.recovers(since, bound)
	if l.answers[gotUnavailable] == 0 {
		l.Error("no request failed: there was no fault")
	}
	return result
}

func faultReadOnly(t *testing.T, bound time.Duration) string {
	s, other := served(t, redistest.Server(t)), redistest.Server(t)
	l := s.loads(4, forgetful)
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
	return l.failedThenRecovers(time.Now(), bound)
}

// faultSlotsMove moves the slots of live entries from the first master to the
// second while their codes are checked.
func faultSlotsMove(t *testing.T, bound time.Duration) string {
	const prefix = "moving:"
	s := served(t, redistest.Cluster(t), "REDIS_KEY_PREFIX="+prefix)
	l := s.loads(2)
	entries := s.made(60)
	var masters []*redis.Client
	for _, n := range s.redis.Nodes {
		masters = append(masters, n.Client())
	}
	slots := map[int64]bool{}
	for _, key := range s.redis.Keys(t, prefix) {
		if slot, err := masters[0].ClusterKeySlot(t.Context(), key).Result(); err != nil {
			t.Fatal(err)
		} else if slot < 16384/3 { // of the first master
			slots[slot] = true
		}
	}
	var moving sync.WaitGroup
	for slot := range slots {
		moving.Go(func() { moveSlot(t, masters, slot) })
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

// moveSlot moves one slot from the first master to the second in the steps of
// redis-cli --cluster reshard, with a pause between them.
func moveSlot(t *testing.T, masters []*redis.Client, slot int64) {
	pause := func() { time.Sleep(100 * time.Millisecond) }
	do := func(c *redis.Client, args ...any) any {
		reply, err := c.Do(t.Context(), args...).Result()
		if err != nil {
			t.Errorf("%v: %v", args[:2], err)
		}
		return reply
	}
	source, target := masters[0], masters[1]
	sourceID, targetID := do(source, "cluster", "myid"), do(target, "cluster", "myid")
	do(target, "cluster", "setslot", slot, "importing", sourceID)
	do(source, "cluster", "setslot", slot, "migrating", targetID)
	pause()
	host, port, _ := net.SplitHostPort(target.Options().Addr)
	for !t.Failed() {
		keys, _ := do(source, "cluster", "getkeysinslot", slot, 1).([]any)
		if len(keys) == 0 {
			break
		}
		do(source, append([]any{"migrate", host, port, "", 0, 1000, "keys"}, keys...)...)
	}
	pause()
	for _, node := range []*redis.Client{target, source, masters[2]} {
		do(node, "cluster", "setslot", slot, "node", targetID)
	}
}

// faultPermitted runs a load as the documented user.
func faultPermitted(open func(testing.TB) *redistest.Instance) func(*testing.T, time.Duration) string {
	return func(t *testing.T, bound time.Duration) string {
		redisServers := open(t)
		args := []any{"acl", "setuser"}
		for rule := range strings.FieldsSeq(strings.TrimPrefix(documentedUser(t), "user ")) {
			args = append(args, rule)
		}
		if redisServers.Mode == redistest.Clustered {
			args = append(args, "+cluster|slots", "+command")
		}
		for _, n := range redisServers.Nodes {
			if err := n.Client().Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		s := served(t, redisServers, append(asDocumentedUser(redisServers), "SEND_LIMITS_TOTAL=1000000/1h")...)
		l := s.loads(4)
		time.Sleep(phase())
		return l.unharmed(bound)
	}
}

// nginx is a load balancer before replicas.
type nginx struct {
	t    *testing.T
	path string // of the program
	dir  string
	addr string
}

// nginxConfig has paths below the directory of the nginx.
const nginxConfig = `
daemon off;
%s
worker_processes 1;
pid pid;
error_log error.log;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
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
		path = codestest.Installed(s, "nginx")
	}
	n := &nginx{t: s.T, path: path, dir: s.TempDir(), addr: codestest.FreeAddr(s)}
	n.configure(s.fleet...)
	cmd := n.command()
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	codestest.Await(s, 10*time.Second, "nginx listens", func() bool { return isReady("http://" + n.addr) })
	return n
}

func (n *nginx) command(args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), n.path, append([]string{"-p", n.dir, "-c", "conf"}, args...)...)
}

// configure writes the configuration for these replicas.
func (n *nginx) configure(replicas ...*process) {
	n.t.Helper()
	servers, user := "", ""
	for _, p := range replicas {
		servers += "\t\tserver " + strings.TrimPrefix(p.URL, "http://") + " max_fails=1 fail_timeout=30s;\n"
	}
	if os.Getuid() == 0 {
		user = "user root;" // else the workers may not enter the directory
	}
	if err := os.WriteFile(filepath.Join(n.dir, "conf"), fmt.Appendf(nil, nginxConfig, user, servers, n.addr), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// behindNginx starts three replicas behind nginx, with creates that take a
// while, and a load that opens a connection for each request: nginx closes
// those that are kept when it reloads.
func behindNginx(t *testing.T, extra ...string) (*scene, *nginx, *load) {
	s := setUp(t, redistest.Server(t), extra...)
	s.fleet = replicas(t, 3, s.env)
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
	codestest.Await(t, time.Second, "not ready", func() bool { return !isReady(s.fleet[1].Admin) })
	n.configure(s.fleet[0], s.fleet[2])
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
