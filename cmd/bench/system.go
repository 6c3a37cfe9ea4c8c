package main

import (
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
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
)

const (
	apiKey     = "bench-api-key"
	codeSecret = "bench-code-secret-of-some-length"
	keyPrefix  = "smsv:" // the default: it is part of what a key takes
)

// system is a running program under test.
type system struct {
	*process
	name    string
	addr    string // of the API
	metrics string // URL
	seed    func(ctx context.Context, n uint64, attempts int64) error
	close   func()
}

// startSystem starts a program that says where it listens in the way of the
// service.
func startSystem(ctx context.Context, name string, cmd *exec.Cmd) (*system, error) {
	var said struct{ Msg, Address, Admin string }
	p, err := startProcess(ctx, cmd, func(line []byte) bool {
		return json.Unmarshal(line, &said) == nil && said.Msg == "serving"
	})
	if err != nil {
		return nil, err
	}
	return &system{process: p, name: name, addr: said.Address, metrics: "http://" + said.Admin + "/metrics", close: p.end}, nil
}

// environment is that of a service with everything turned on that costs time,
// and no limit that the load reaches.
func (l *lab) environment(extra ...string) []string {
	hash := sha256.Sum256([]byte(apiKey))
	return append([]string{
		"FLOWROUTE_ACCESS_KEY=" + accessKey,
		"FLOWROUTE_SECRET_KEY=" + secretKey,
		"FLOWROUTE_NUMBER=" + sender,
		"FLOWROUTE_BASE_URL=" + l.carrier.URL,
		"FLOWROUTE_RATE=0",
		"SEND_LIMITS_TOTAL=1000000/24h",
		"ALLOWED_PREFIXES=us,ca",
		"API_KEYS=bench:" + hex.EncodeToString(hash[:]),
		"CODE_SECRET=" + codeSecret,
		"REDIS_URL=" + l.redis.url(),
		"REDIS_KEY_PREFIX=" + keyPrefix,
		"LISTEN_ADDR=127.0.0.1:0",
		"ADMIN_ADDR=127.0.0.1:0",
	}, extra...)
}

// startService starts a build of the service and waits until it is ready.
func (l *lab) startService(ctx context.Context, name, binary string, env ...string) (*system, error) {
	cmd := exec.Command(binary)
	cmd.Dir, cmd.Env = l.dir, l.environment(env...)
	s, err := startSystem(ctx, name, cmd)
	if err != nil {
		return nil, err
	}
	store, err := l.openStore(codes.Limits{})
	if err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	hasher := codes.NewHasher([]byte(codeSecret))
	s.seed = func(ctx context.Context, n uint64, attempts int64) error {
		_, err := store.Put(ctx, entryFor(hasher, n, attempts))
		return err
	}
	s.close = func() {
		s.end()
		_ = store.Close()
	}
	return s, nil
}

// openStore opens the service's store from here.
func (l *lab) openStore(limits codes.Limits) (*redisstore.Store, error) {
	client, err := redisstore.Dial(redisstore.DialOptions{URL: l.redis.url(), Mode: redisstore.Standalone})
	if err != nil {
		return nil, err
	}
	return redisstore.New(client, keyPrefix, limits), nil
}

// entryFor is what the service would store for entry n, at the defaults.
func entryFor(h *codes.Hasher, n uint64, attempts int64) codes.Entry {
	id := codes.ID(idOf(n))
	return codes.Entry{
		ID:         h.ID(id),
		Code:       h.Code(id, codes.Code(fmt.Sprintf("%04d", codeOf(n)))),
		Recipient:  h.Phone(codes.Phone(recipientOf(n))),
		Attempts:   attempts,
		Expiration: time.Hour,
		Notice:     10 * time.Minute,
		Op:         codes.NewOp(),
	}
}

// ready waits until the service is ready.
func (s *system) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
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

// startFloor starts this program as the floor of that name.
func (l *lab) startFloor(ctx context.Context, name string) (*system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s, err := startSystem(ctx, name, exec.Command(self, floorCommand, "-redis", l.redis.addr, "-carrier", l.carrier.URL, "-sharing="+strconv.FormatBool(name == sharingFloor)))
	if err != nil {
		return nil, err
	}
	s.seed = func(ctx context.Context, n uint64, attempts int64) error {
		pipe, key := l.redis.client.Pipeline(), floorPrefix+idOf(n)
		pipe.HSet(ctx, key, "code", fmt.Sprintf("%04d", codeOf(n)), "left", attempts)
		pipe.Expire(ctx, key, floorLifetime*time.Second)
		_, err := pipe.Exec(ctx)
		return err
	}
	return s, nil
}

// build builds the service from the source in dir as it is released.
func (l *lab) build(ctx context.Context, name, dir string) (string, error) {
	binary := filepath.Join(l.dir, "service-"+name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/sms-verification")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", dir, err, said)
	}
	return binary, nil
}

// seedAll stores count entries from first on.
func seedAll(ctx context.Context, first, count uint64, seed func(ctx context.Context, n uint64) error) error {
	const writers = 32
	var next atomic.Uint64
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for range writers {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < count && ctx.Err() == nil; n = next.Add(1) - 1 {
				if err := patiently(ctx, func() error { return seed(ctx, first+n) }); err != nil {
					errs <- fmt.Errorf("store entries: %w", err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	return ctx.Err()
}

// patiently does again what a busy machine did not get done in time.
func patiently(ctx context.Context, do func() error) (err error) {
	for range 20 {
		if err = do(); !errors.Is(err, codes.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
	return err
}
