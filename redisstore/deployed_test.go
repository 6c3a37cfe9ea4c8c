package redisstore_test

import (
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// deployed returns the lines of a file in deploy/ without empty ones and comments.
func deployed(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile("../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// configOf joins a redis.conf and the users of an ACL file. It changes only what the
// test needs: the directory, and a default user who may log in.
func configOf(t *testing.T, conf, acl string) []string {
	t.Helper()
	lines := slices.DeleteFunc(deployed(t, conf), func(line string) bool {
		return strings.HasPrefix(line, "dir ") || strings.HasPrefix(line, "aclfile ")
	})
	for _, user := range deployed(t, acl) {
		if rest, ok := strings.CutPrefix(user, "user default off"); ok {
			user = "user default on" + rest + " nopass +ping +info"
		}
		lines = append(lines, user)
	}
	return lines
}

// trialPassword returns the password of the trial's user, from its URL.
func trialPassword(t *testing.T) string {
	t.Helper()
	for _, line := range deployed(t, "trial/credentials.yaml") {
		if address, ok := strings.CutPrefix(line, "redis_url: "); ok {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			password, _ := u.User.Password()
			return password
		}
	}
	t.Fatal("trial/credentials.yaml has no redis_url")
	return ""
}

// TestDeployedUsers: the users in deploy/ have exactly the documented permissions.
func TestDeployedUsers(t *testing.T) {
	user, cluster, settings := documentedRules(t)
	permissions := func(rules []string) []string {
		rules = slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == "on" || strings.ContainsAny(r[:1], ">#") })
		slices.Sort(rules)
		return rules
	}
	for acl, want := range map[string][]string{
		"trial/users.acl": user,
		"redis/users.acl": slices.Concat(user, cluster, settings),
	} {
		found := false
		for _, line := range deployed(t, acl) {
			if rules, ok := strings.CutPrefix(line, "user smsv "); ok {
				found = true
				if got, want := permissions(strings.Fields(rules)), permissions(want); !slices.Equal(got, want) {
					t.Errorf("%s: may %s\nwant %s", acl, got, want)
				}
			}
		}
		if !found {
			t.Errorf("%s has no user smsv", acl)
		}
	}
}

// TestDeployedRedis: with the files in deploy/ every operation works, and a restart loses
// nothing.
func TestDeployedRedis(t *testing.T) {
	t.Parallel()
	t.Run("standalone", func(t *testing.T) {
		t.Parallel()
		instance := redistest.Server(t, configOf(t, "redis/standalone.conf", "trial/users.acl")...)
		tryDeployed(t, instance, trialPassword(t), 0)
	})
	t.Run("replicated", func(t *testing.T) {
		t.Parallel()
		config := configOf(t, "redis/replicated.conf", "redis/users.acl")
		master := redistest.Server(t, config...)
		host, port, _ := net.SplitHostPort(master.Addr)
		redistest.Server(t, append(config, "replicaof "+host+" "+port)...)
		tryDeployed(t, master, "change-this-1", 1)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		node := redistest.Server(t, configOf(t, "redis/cluster.conf", "redis/users.acl")...)
		info, err := node.Client().Info(t.Context(), "cluster").Result()
		if err != nil || !strings.Contains(info, "cluster_enabled:1") {
			t.Errorf("%s, %v", info, err)
		}
	})
}

func tryDeployed(t *testing.T, instance *redistest.Instance, password string, replicas int) {
	address := strings.Replace(instance.URL, "://", "://smsv:"+password+"@", 1)
	store := openURL(t, address, instance.Mode, redisstore.Options{Prefix: "smsv:" + freshPrefix(), MinReplicas: replicas})
	prepare(t, store) // runs every script
	r := newReservation(3)
	mustReserve(t, store, r)
	instance.Restart()
	prepare(t, store)
	if replicas > 0 {
		replicasHeard(t, instance.Nodes)
	}
	if got, err := check(t.Context(), store, r); err != nil || got.Status != codes.Right {
		t.Errorf("a code from before the restart: %v, %v", got, err)
	}
	for _, store := range []*redisstore.Store{store, openStore(t, instance, freshPrefix())} {
		if found, err := store.Inspect(t.Context()); err != nil || len(found.Warnings) > 0 {
			t.Errorf("Inspect = %+v, %v", found, err)
		}
	}
}
