package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestServeWarnsOfRedis: at its start the service names what voids its promises.
func TestServeWarnsOfRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, "maxmemory 100mb", "maxmemory-policy volatile-lru", "user app on >pw "+permissions(t))
	sim := startSimulator(t, flowroutetest.Options{})
	user := fmt.Sprintf("REDIS_URL=redis://app:pw@%s/0", redis.Addr)
	p := serveReady(t, environment(redis, sim, user, "REDIS_KEY_PREFIX=smsv:"))
	unsafe := func(p *process, n string) func() bool {
		return func() bool {
			return strings.Contains(get(t, p.Admin+"/metrics").raw, "\nsmsv_redis_unsafe_settings "+n+"\n")
		}
	}
	eventually(t, 10*time.Second, "the gauge says so", unsafe(p, "1"))
	if n := strings.Count(p.stderr.String(), `"level":"WARN","msg":"Redis's maxmemory-policy is volatile-lru`); n != 1 {
		t.Errorf("warned %d times:\n%s", n, p.stderr)
	}

	if err := redis.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	p = serveReady(t, environment(redis, sim, append(recommended(), user, "REDIS_KEY_PREFIX=smsv:")...))
	eventually(t, 10*time.Second, "the log says what cannot be read", func() bool {
		return strings.Contains(p.stderr.String(), `"level":"INFO","msg":"the Redis user may not read some settings; check them yourself","settings":"save"`)
	})
	if !unsafe(p, "0")() || strings.Contains(strings.ReplaceAll(p.stderr.String(), `"WARN","msg":"request"`, ""), "WARN") {
		t.Errorf("the documented permissions, and nothing wrong:\n%s", p.stderr)
	}
}

// TestServeWarnsAsCheckDoes: each warning of the settings that check prints is
// in the log of the service too.
func TestServeWarnsAsCheckDoes(t *testing.T) {
	t.Parallel()
	env := environment(redistest.Server(t), startSimulator(t, flowroutetest.Options{}), "RETRIES_ALLOWED=101", "TRUSTED_PROXIES=0.0.0.0/0", "ORG_NAME='quoted'")
	_, out, _ := command(t, env, "check")
	p, found := serve(t, env), 0
	for line := range strings.Lines(out) {
		if warning, ok := strings.CutPrefix(strings.TrimSpace(line), "Warning: "); ok {
			found++
			contains(t, "the log", p.stderr.String(), warning)
		}
	}
	if found < 8 {
		t.Errorf("check prints %d warnings:\n%s", found, out)
	}
}
