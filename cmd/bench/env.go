package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	lifetime  = 3600 // seconds, the default of CODE_EXPIRATION

	startTimeout = 10 * time.Second
	// A service that is ready still inspects its Redis for a moment, which
	// would be counted among what the first requests cost.
	settling = 500 * time.Millisecond
)

// env is what the measured programs run on.
type env struct {
	dir     string // for files; the programs that start in it find no settings
	sms     *flowroutetest.Server
	codes   []atomic.Uint32 // the code last sent for each entry; by entry modulo the length
	used    atomic.Uint64   // entries that were used; none is used twice
	started []func()        // each ends something that was started
}

func newEnv() *env {
	e := &env{codes: make([]atomic.Uint32, 1<<22), dir: must(os.MkdirTemp("", "bench"))}
	// The simulator runs in this process, so that the load knows the codes.
	e.sms = must(flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: accessKey, SecretKey: secretKey, Numbers: []string{sender}, Keep: 1,
		OnMessage: func(m flowroutetest.Message) {
			text, _, _ := strings.Cut(m.Body, "\n")
			code, _ := strconv.ParseUint(text, 10, 32) // a message without code stores 0, and then the load fails
			e.codeOf(entryOf(m.To)).Store(uint32(code))
		},
	}))
	return e
}

func (e *env) close() {
	e.end()
	_ = e.sms.Close()
	_ = os.RemoveAll(e.dir)
}

// end ends everything that was started in e, the last first.
func (e *env) end() {
	for _, end := range slices.Backward(e.started) {
		end()
	}
	e.started = nil
	e.used.Store(0)
}

// start starts a program and returns when ready has no error.
func (e *env) start(ctx context.Context, cmd *exec.Cmd, ready func() error) {
	log := must(os.CreateTemp(e.dir, "log")) // a file costs the benchmark no processor time
	defer func() { _ = log.Close() }()
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = e.dir, log, log, endWithParent()
	check(cmd.Start())
	e.started = append(e.started, func() { kill(cmd) })
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for err := ready(); err != nil; err = ready() {
		if ctx.Err() != nil {
			printed, _ := os.ReadFile(log.Name())
			check(fmt.Errorf("start %s: %w; it printed: %s", filepath.Base(cmd.Path), err, printed))
		}
		time.Sleep(time.Millisecond)
	}
}

// kill ends a program and waits until it is gone. Again, it does nothing.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

type redisServer struct {
	*redis.Client
	addr string
	cmd  *exec.Cmd
}

func (e *env) startRedis(ctx context.Context) redisServer {
	addr := freeAddr()
	host, port, _ := net.SplitHostPort(addr)
	r := redisServer{dialRedis(addr), addr, exec.Command("redis-server", "--port", port, "--bind", host, "--save", "")}
	e.started = append(e.started, func() { _ = r.Close() })
	e.start(ctx, r.cmd, func() error { return r.Ping(ctx).Err() })
	return r
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
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// program is a build of the service, or the baseline.
type program struct {
	name, path string // before it is built, the path may be the folder of its source
	args       []string
}

// build builds the service from the source in a folder, as it is released. A
// file is a build already.
func (e *env) build(ctx context.Context, p program) program {
	p.path = must(filepath.Abs(p.path))
	if !must(os.Stat(p.path)).IsDir() {
		return p
	}
	binary := filepath.Join(e.dir, "service-"+p.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/sms-verification")
	cmd.Dir, cmd.Env = p.path, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		check(fmt.Errorf("build %s: %w\n%s", p.path, err, output))
	}
	return program{name: p.name, path: binary}
}

// replica is a running program.
type replica struct {
	addr    string // of the API
	metrics string // URL
	cmd     *exec.Cmd
}

// startReplica starts a program. Every feature of the service that costs time
// is on, and the load reaches no limit. The baseline has the same settings.
func (e *env) startReplica(ctx context.Context, p program, redisAddr string, settings ...string) replica {
	addr, admin := freeAddr(), freeAddr()
	cmd := exec.Command(p.path, p.args...)
	cmd.Env = append([]string{
		"FLOWROUTE_ACCESS_KEY=" + accessKey,
		"FLOWROUTE_SECRET_KEY=" + secretKey,
		"FLOWROUTE_NUMBER=" + sender,
		"FLOWROUTE_BASE_URL=" + e.sms.URL,
		"FLOWROUTE_RATE=0",
		"RETRIES_ALLOWED=" + strconv.Itoa(attempts),
		"SEND_LIMITS_TOTAL=1000000/24h",
		"UNVERIFIED_LIMITS=exchange:1000000/1h,area:1000000/1h+50%,all:1000000/1h+50%", // the defaults but for the numbers
		"ALLOWED_PREFIXES=us,ca",
		fmt.Sprintf("API_KEYS=bench:%x", sha256.Sum256([]byte(apiKey))),
		"CODE_SECRET=bench-code-secret-of-some-length",
		"REDIS_URL=redis://" + redisAddr + "/0",
		"REDIS_KEY_PREFIX=" + keyPrefix,
		"LISTEN_ADDR=" + addr,
		"ADMIN_ADDR=" + admin,
	}, settings...)
	e.start(ctx, cmd, func() error {
		_, err := get("http://" + addr + "/readyz")
		return err
	})
	return replica{addr, "http://" + admin + "/metrics", cmd}
}

// get returns the body of an answer 200.
func get(url string) (string, error) {
	answer, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return string(body), err
}

const mallocsMetric = "\ngo_memstats_mallocs_total "

// mallocs returns how often a replica has allocated memory so far.
func (r replica) mallocs() float64 {
	_, after, found := strings.Cut(must(get(r.metrics)), mallocsMetric)
	if !found {
		check(fmt.Errorf("%s has no %s", r.metrics, strings.TrimSpace(mallocsMetric)))
	}
	value, _, _ := strings.Cut(after, "\n")
	return must(strconv.ParseFloat(value, 64))
}
