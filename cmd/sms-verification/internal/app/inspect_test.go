package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestServeInspectsRedis: a setting that breaks a promise is one warning. The gauge
// and the log show when it appears and when it is gone.
func TestServeInspectsRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, "maxmemory 100mb", "maxmemory-policy volatile-lru")
	cfg, err := config.Load(config.Source{Set: map[string]string{
		"FLOWROUTE_ACCESS_KEY": "a", "FLOWROUTE_SECRET_KEY": "secret-key-of-a-test", "FLOWROUTE_NUMBER": "12065550100",
		"REDIS_URL": redis.URL, "LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "SHUTDOWN_DELAY": "0s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer // read when the log is closed
	logs := NewLogs(&out, slog.LevelInfo, false)
	a, err := New(cfg, logs, nil, telemetry.Build{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	const every = 20 * time.Millisecond
	a.inspect.every = every
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	gauge := func(want string) {
		t.Helper()
		codestest.Await(t, 10*time.Second, "smsv_redis_unsafe_settings is "+want, func() bool {
			r := httptest.NewRecorder()
			a.servers[1].Handler.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return strings.Contains(r.Body.String(), "\nsmsv_redis_unsafe_settings "+want+"\n")
		})
	}
	gauge("1")
	time.Sleep(5 * every)
	if err := redis.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	gauge("0")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	logs.Close()
	if n := strings.Count(out.String(), `"level":"WARN","msg":"Redis's maxmemory-policy is volatile-lru`); n != 1 {
		t.Errorf("warned %d times:\n%s", n, &out)
	}
	if !strings.Contains(out.String(), `"level":"INFO","msg":"warning resolved"`) {
		t.Errorf("nothing is said of the end:\n%s", &out)
	}
}

// played is a Redis that gives the answers of a test.
type played struct {
	found            redisstore.Inspection
	inspect, prepare error
}

func (p *played) Inspect(context.Context) (redisstore.Inspection, error) { return p.found, p.inspect }
func (p *played) Prepare(context.Context) error                          { return p.prepare }

// refusal is an error as the Redis client returns it.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// TestInspectionsLogChanges: each finding is logged when it appears. A setting that
// cannot be read is no warning.
func TestInspectionsLogChanges(t *testing.T) {
	var out bytes.Buffer
	redis := &played{}
	i := &inspector{redis: redis, log: slog.New(slog.NewTextHandler(&out, nil))}
	for _, step := range []struct {
		name   string
		redis  played
		want   []string // one line each
		unsafe float64
	}{
		{"fine", played{}, nil, 0},
		{"one", played{found: redisstore.Inspection{Warnings: []string{"w1"}}}, []string{"level=WARN msg=w1"}, 1},
		{"the same", played{found: redisstore.Inspection{Warnings: []string{"w1"}}}, nil, 1},
		{"out of reach", played{inspect: errors.New("gone")}, nil, 1},
		{"not prepared", played{prepare: errors.New("gone")}, nil, 1},
		{"another", played{found: redisstore.Inspection{Warnings: []string{"w2"}}}, []string{"level=WARN msg=w2", "warning=w1"}, 1},
		{"not readable", played{found: redisstore.Inspection{Unread: []string{"save"}}}, []string{"warning=w2", "level=INFO msg=\"the Redis user"}, 0},
		{"still not readable", played{found: redisstore.Inspection{Unread: []string{"save"}}}, nil, 0},
		{"refused", played{prepare: refusal("NOPERM no")}, []string{"level=WARN msg=\"Redis refuses a command"}, 1},
		{"allowed, not readable again", played{found: redisstore.Inspection{Unread: []string{"save"}}}, []string{"warning resolved"}, 0},
	} {
		out.Reset()
		*redis = step.redis
		i.inspect(t.Context())
		lines := slices.Collect(strings.Lines(out.String()))
		ok := len(lines) == len(step.want) && i.unsafeSettings() == step.unsafe
		for n, want := range step.want {
			ok = ok && strings.Contains(lines[n], want)
		}
		if !ok {
			t.Errorf("%s: %v unsafe, logged %q, want %v and %q", step.name, i.unsafeSettings(), lines, step.unsafe, step.want)
		}
	}
}
