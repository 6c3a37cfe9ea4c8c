package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

const (
	apiKey    = "bench-api-key"
	accessKey = "bench-access-key"
	secretKey = "bench-secret-key"
	sender    = "12065550100"
	keyPrefix = "smsv:" // the default: it is part of the size of a key
	attempts  = 1_000_000
)

// env is what the measured programs run on.
type env struct {
	dir   string // for files; the programs that start in it find none
	redis *redisServer
	sms   *flowroutetest.Server
	codes []atomic.Uint32 // the code sent for each entry, plus 1; by entry modulo the length
	used  atomic.Uint64   // entries that were used; none is used twice
}

func newEnv(ctx context.Context) (e *env, err error) {
	e = &env{codes: make([]atomic.Uint32, 1<<22)}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return e, err
	}
	if e.redis, err = startRedis(ctx, e.dir); err != nil {
		return e, err
	}
	// The simulator runs in this process, so that the load knows the codes.
	e.sms, err = flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: accessKey, SecretKey: secretKey, Numbers: []string{sender}, Keep: 1,
		OnMessage: func(m flowroutetest.Message) {
			text, _, _ := strings.Cut(m.Body, "\n")
			if code, err := strconv.ParseUint(text, 10, 32); err == nil {
				e.codes[entryOf(m.To)%uint64(len(e.codes))].Store(uint32(code) + 1)
			}
		},
	})
	return e, err
}

func (e *env) close() {
	if e.sms != nil {
		_ = e.sms.Close()
	}
	if e.redis != nil {
		e.redis.close()
	}
	if e.dir != "" {
		_ = os.RemoveAll(e.dir)
	}
}

// unused returns the first of n entries that were not used before.
func (e *env) unused(n uint64) uint64 { return e.used.Add(n) - n }

// codeOf returns the code that was last sent for an entry.
func (e *env) codeOf(entry uint64) uint64 {
	return uint64(e.codes[entry%uint64(len(e.codes))].Load() - 1)
}

// system is a running program that is measured.
type system struct {
	*process
	name    string
	addr    string // of the API
	metrics string // URL
}

// startSystem starts a program that logs its addresses as the service does.
func startSystem(ctx context.Context, name string, cmd *exec.Cmd) (*system, error) {
	var log struct{ Msg, Address, Admin string }
	p, err := startProcess(ctx, cmd, func(line []byte) bool {
		return json.Unmarshal(line, &log) == nil && log.Msg == "serving"
	})
	if err != nil {
		return nil, err
	}
	return &system{process: p, name: name, addr: log.Address, metrics: "http://" + log.Admin + "/metrics"}, nil
}

// settling is how long a service that is ready still inspects its Redis, which
// would be counted among what the first requests cost.
const settling = 500 * time.Millisecond

// startService starts a build of the service and waits until it is ready.
// Every feature that costs time is on, and the load reaches no limit.
func (e *env) startService(ctx context.Context, name, binary, redis string, settings ...string) (*system, error) {
	hash := sha256.Sum256([]byte(apiKey))
	cmd := exec.Command(binary)
	cmd.Dir = e.dir
	cmd.Env = append([]string{
		"FLOWROUTE_ACCESS_KEY=" + accessKey,
		"FLOWROUTE_SECRET_KEY=" + secretKey,
		"FLOWROUTE_NUMBER=" + sender,
		"FLOWROUTE_BASE_URL=" + e.sms.URL,
		"FLOWROUTE_RATE=0",
		"RETRIES_ALLOWED=" + strconv.Itoa(attempts),
		"SEND_LIMITS_TOTAL=1000000/24h",
		"ALLOWED_PREFIXES=us,ca",
		"API_KEYS=bench:" + hex.EncodeToString(hash[:]),
		"CODE_SECRET=bench-code-secret-of-some-length",
		"REDIS_URL=redis://" + redis + "/0",
		"REDIS_KEY_PREFIX=" + keyPrefix,
		"LISTEN_ADDR=127.0.0.1:0",
		"ADMIN_ADDR=127.0.0.1:0",
	}, settings...)
	s, err := startSystem(ctx, name, cmd)
	if err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		s.end()
		return nil, err
	}
	time.Sleep(settling)
	return s, nil
}

// startBaseline starts this program as the baseline of that name.
func (e *env) startBaseline(ctx context.Context, name, redis string) (*system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, baselineCommand, "-redis", redis, "-flowroute", e.sms.URL, fmt.Sprintf("-%s=%t", autoPipeline, name == autoPipeline))
	return startSystem(ctx, name, cmd)
}

// ready waits until the service is ready.
func (s *system) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		answer, err := get(ctx, "http://"+s.addr+"/readyz")
		if err != nil {
			return fmt.Errorf("%s is not ready: %w", s.name, err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// build builds the service from the source in dir, as it is released. A file
// is a build already.
func (e *env) build(ctx context.Context, name, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, err
	}
	binary := filepath.Join(e.dir, "service-"+name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/sms-verification")
	cmd.Dir = path
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", path, err, output)
	}
	return binary, nil
}

// seed makes a system create count entries from first on.
func (e *env) seed(ctx context.Context, s *system, first, count uint64) error {
	return e.forEach(ctx, s, count, func(c *client, op uint64) error { return c.create(first+op, first+op) })
}

// forEach does step count times, for what is not measured.
func (e *env) forEach(ctx context.Context, s *system, count uint64, step func(c *client, op uint64) error) error {
	if count == 0 {
		return nil
	}
	l := load{addrs: []string{s.addr}, connections: 32, length: time.Hour, limit: count,
		step: func(c *client, op uint64) (err error) {
			for range 20 { // a busy machine answers 503 now and then
				if err = step(c, op); !errors.Is(err, errRefused) {
					return err
				}
			}
			return errors.New("answered 503 for 20 times")
		}}
	if _, err := l.run(ctx); err != nil {
		return fmt.Errorf("prepare entries: %w", err)
	}
	return nil
}

// usage is what a system and its Redis have used since they started.
type usage struct {
	cpu, redis time.Duration
	mallocs    float64 // of the system
}

func (e *env) usageOf(ctx context.Context, s *system) (u usage, err error) {
	if u.mallocs, err = s.mallocs(ctx); err != nil {
		return usage{}, err
	}
	if u.cpu, err = cpuTime(s.pid()); err != nil {
		return usage{}, err
	}
	u.redis, err = cpuTime(e.redis.pid())
	return u, err
}

const mallocsMetric = "go_memstats_mallocs_total"

// mallocs returns the number of allocations so far.
func (s *system) mallocs(ctx context.Context) (float64, error) {
	answer, err := get(ctx, s.metrics)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), mallocsMetric+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", s.metrics, mallocsMetric)
}

func get(ctx context.Context, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}
