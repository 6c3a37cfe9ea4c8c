package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

const (
	apiKey    = "bench-api-key"
	accessKey = "bench-access-key"
	secretKey = "bench-secret-key"
	sender    = "12065550100"
	keyPrefix = "smsv:" // the default: it is part of the size of a key
	attempts  = 1_000_000

	startTimeout = 10 * time.Second
	// A service that is ready still inspects its Redis for a moment, which
	// would be counted among what the first requests cost.
	settling = 500 * time.Millisecond
)

// env is what the measured programs run on.
type env struct {
	dir       string // for files; the programs that start in it find no settings
	redis     *process
	redisAddr string
	client    *redis.Client
	sms       *flowroutetest.Server
	codes     []atomic.Uint32 // the code last sent for each entry; by entry modulo the length
	used      atomic.Uint64   // entries that were used; none is used twice
	started   []*process
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
	e.redisAddr = freeAddr()
	e.client = dialRedis(e.redisAddr)
	host, port, _ := net.SplitHostPort(e.redisAddr)
	cmd := exec.Command("redis-server", "--port", port, "--bind", host, "--save", "", "--dir", e.dir)
	if e.redis, err = e.start(ctx, cmd, func() error { return e.client.Ping(ctx).Err() }); err != nil {
		return e, err
	}
	// The simulator runs in this process, so that the load knows the codes.
	e.sms, err = flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: accessKey, SecretKey: secretKey, Numbers: []string{sender}, Keep: 1,
		OnMessage: func(m flowroutetest.Message) {
			text, _, _ := strings.Cut(m.Body, "\n")
			if code, err := strconv.ParseUint(text, 10, 32); err == nil {
				e.codes[entryOf(m.To)%uint64(len(e.codes))].Store(uint32(code))
			}
		},
	})
	return e, err
}

// close ends everything that was started in e.
func (e *env) close() {
	for _, p := range e.started {
		p.end()
	}
	if e.client != nil {
		_ = e.client.Close()
	}
	if e.sms != nil {
		_ = e.sms.Close()
	}
	if e.dir != "" {
		_ = os.RemoveAll(e.dir)
	}
}

func dialRedis(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                     addr,
		PoolSize:                 64,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

func freeAddr() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // the program that gets it says why it cannot listen
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// process is a program that the benchmark started.
type process struct {
	pid    int
	end    func() // kills it and waits until it is gone
	exited chan struct{}
}

// start starts a program and returns when ready has no error.
func (e *env) start(ctx context.Context, cmd *exec.Cmd, ready func() error) (*process, error) {
	log, err := os.CreateTemp(e.dir, "log") // a file costs the benchmark no processor time
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, endWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, exited: make(chan struct{})}
	p.end = func() {
		_ = cmd.Process.Kill() // fails if it has ended already
		<-p.exited
	}
	e.started = append(e.started, p)
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // it was killed, or its output says why it ended
	}()
	timeout := time.After(startTimeout)
	for err = ready(); err != nil; err = ready() {
		select {
		case <-time.After(time.Millisecond):
			continue
		case <-ctx.Done():
		case <-p.exited:
		case <-timeout:
		}
		p.end()
		printed, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start %s: %w; it printed: %s", filepath.Base(cmd.Path), err, printed)
	}
	return p, nil
}

// system is a running build of the service, or a baseline.
type system struct {
	*process
	name    string
	addr    string // of the API
	metrics string // URL
}

// startSystem starts a build of the service. Every feature that costs time is
// on, and the load reaches no limit. A baseline has the same settings.
func (e *env) startSystem(ctx context.Context, p program, redisAddr string, settings ...string) (*system, error) {
	hash := sha256.Sum256([]byte(apiKey))
	addr, admin := freeAddr(), freeAddr()
	cmd := exec.Command(p.command[0], p.command[1:]...)
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
		"REDIS_URL=redis://" + redisAddr + "/0",
		"REDIS_KEY_PREFIX=" + keyPrefix,
		"LISTEN_ADDR=" + addr,
		"ADMIN_ADDR=" + admin,
	}, settings...)
	running, err := e.start(ctx, cmd, func() error {
		answer, err := get(ctx, "http://"+addr+"/readyz")
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
	return &system{running, p.name, addr, "http://" + admin + "/metrics"}, err
}

// program is a build of the service, or a baseline.
type program struct {
	name    string
	command []string
}

// build builds the service from the source in a folder, as it is released. A
// file is a build already.
func (e *env) build(ctx context.Context, s service) (p program, err error) {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return p, err
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return program{s.name, []string{path}}, err
	}
	binary := filepath.Join(e.dir, "service-"+s.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/sms-verification")
	cmd.Dir = path
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return p, fmt.Errorf("build %s: %w\n%s", path, err, output)
	}
	return program{s.name, []string{binary}}, nil
}

const mallocsMetric = "go_memstats_mallocs_total"

// mallocs returns how often a system has allocated memory so far.
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
