package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

func TestDialRefuses(t *testing.T) {
	// No error may contain any of these.
	parts := []string{"us3r", "s3cr3t", "4711", "r3st", "h0st", "p0rt", "m4ster", "d4tabase", "0ption"}
	everywhere := []string{
		"", "h0st", "h0st:6379", "http://us3r:s3cr3t@h0st:6379", "us3r:s3cr3t@h0st:6379",
		// Passwords that are not percent-encoded, some of which begin like a port.
		"redis://us3r:s3cr3t/r3st@h0st:6379/0",
		"redis://us3r:s3cr3t#r3st@h0st:6379/0",
		"redis://us3r:s3cr3t?r3st@h0st:6379/0",
		"redis://us3r:s3cr3t%r3st@h0st:6379/0",
		"redis://us3r:s3cr3t r3st@h0st:6379/0",
		"redis://us3r:4711/r3st@h0st:6379",
		"redis://us3r:4711/r3st@h0st:6379/0",
		"redis://us3r:4711#r3st@h0st:6379/0",
		"redis://us3r:4711?r3st@h0st:6379/0",
		"redis://:4711#r3st@h0st",
		"redis://us3r:s3cr3t@4711/r3st@h0st:6379",
		"redis://us3r:s3cr3t@h0st:p0rt/0",
		"redis://us3r:s3cr3t@h0st:6379/0?0ption=1",
		"redis://us3r:s3cr3t@h0st:6379/0?read_timeout=0ption",
		"redis://us3r:s3cr3t@h0st:6379/d4tabase",
		"redis://us3r:s3cr3t@h0st:6379/0/0",
		"redis://[us3r:s3cr3t@h0st:6379/0",
	}
	withMaster := func(url string) string { // without it they would be refused for that
		if strings.Contains(url, "?") {
			return url + "&master_name=m4ster"
		}
		return url + "?master_name=m4ster"
	}
	for mode, urls := range map[string][]string{
		redisstore.Standalone: {"unix://us3r:s3cr3t@h0st", "redis://us3r:s3cr3t@h0st:6379?master_name=m4ster"},
		redisstore.Sentinel:   {"redis://us3r:s3cr3t@h0st:6379", "redis://h0st?master_name=", "unix:///h0st?master_name=m4ster"},
		redisstore.Cluster:    {"unix:///h0st", "redis://us3r:s3cr3t@h0st:6379/3", "redis://h0st?master_name=m4ster"},
	} {
		for _, url := range everywhere {
			if mode == redisstore.Sentinel {
				url = withMaster(url)
			}
			urls = append(urls, url)
		}
		for _, url := range urls {
			client, err := redisstore.Dial(redisstore.DialOptions{URL: url, Mode: mode})
			if err == nil {
				t.Errorf("%s: %q is accepted", mode, url)
				_ = client.Close()
				continue
			}
			for _, part := range parts {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%s: the error of %q contains %q", mode, url, part)
				}
			}
		}
	}
	if _, err := redisstore.Dial(redisstore.DialOptions{URL: "redis://us3r:s3cr3t@h0st", Mode: "replicated"}); err == nil || strings.Contains(err.Error(), "h0st") {
		t.Errorf("unknown mode: %v", err)
	}
}

func TestDialAccepts(t *testing.T) {
	type options struct {
		user, password, address string
		database, pool, resp    int
		read, connect           time.Duration
		tls                     bool
	}
	for url, want := range map[string]options{
		"redis://localhost:6379/0":                             {address: "localhost:6379"},
		"redis://host":                                         {address: "host:6379"},
		"redis://user:p%40%23%2F%3F%25s@host:7000/3":           {user: "user", password: "p@#/?%s", address: "host:7000", database: 3},
		"rediss://:pass@host:7000":                             {password: "pass", address: "host:7000", tls: true},
		"unix:///run/redis.sock?db=2":                          {address: "/run/redis.sock", database: 2},
		"unix://user:pass@/run/redis.sock":                     {user: "user", password: "pass", address: "/run/redis.sock"},
		"redis://host/1?read_timeout=3s&pool_size=7&db=1":      {address: "host:6379", database: 1, read: 3 * time.Second, pool: 7},
		"redis://host?dial_timeout=2&max_retries=9&protocol=3": {address: "host:6379", connect: 2 * time.Second, resp: 3},
	} {
		client, err := redisstore.Dial(redisstore.DialOptions{URL: url, Mode: redisstore.Standalone})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		for _, d := range []*time.Duration{&want.read, &want.connect} {
			if *d == 0 {
				*d = 250 * time.Millisecond
			}
		}
		if want.pool == 0 {
			want.pool = 64
		}
		if want.resp == 0 {
			want.resp = 2
		}
		o := client.(*redis.Client).Options()
		got := options{o.Username, o.Password, o.Addr, o.DB, o.PoolSize, o.Protocol, o.ReadTimeout, o.DialTimeout, o.TLSConfig != nil}
		if got != want || !o.ContextTimeoutEnabled || o.MaxRetries != 0 {
			t.Errorf("%s: %+v, context %v, %d retries; want %+v", url, got, o.ContextTimeoutEnabled, o.MaxRetries, want)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	for mode, url := range map[string]string{
		redisstore.Sentinel: "redis://u:p@a:26379?addr=b:26379&master_name=m&username=v&password=q",
		redisstore.Cluster:  "rediss://u:p@a:7000/0?addr=b:7000&addr=c:7000",
	} {
		client, err := redisstore.Dial(redisstore.DialOptions{URL: url, Mode: mode})
		if err != nil {
			t.Errorf("%s: %v", mode, err)
			continue
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestContexts: the caller's own deadline holds if it is shorter.
func TestContexts(t *testing.T) {
	instance := redistest.Server(t)
	store := openStore(t, instance, freshPrefix())
	r := newReservation(3)
	mustReserve(t, store, r)
	try := func(ctx context.Context) error {
		began := time.Now()
		_, err := store.Check(ctx, checkOf(r, codestest.Fresh()))
		if took := time.Since(began); took > 100*time.Millisecond || !errors.Is(err, codes.ErrUnavailable) {
			t.Errorf("%v after %v", err, took)
		}
		return err
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := try(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	instance.Signal(syscall.SIGSTOP)
	for range 3 { // with the open connection and with new ones
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_ = try(short)
		cancel()
	}
	instance.Signal(syscall.SIGCONT)
	expect(t, store, r, codestest.Fresh(), wrongLeft(r, 2)) // the first attempt is spent
}

// TestLogTo: the log of the Redis library arrives at TestMain's logger, at debug level.
func TestLogTo(t *testing.T) {
	const address = "127.0.0.1:2" // no other test dials it
	store := openURL(t, "redis://user:p4ssword@"+address, redisstore.Standalone, redisstore.Options{Prefix: freshPrefix()})
	if err := store.Prepare(t.Context()); !errors.Is(err, codes.ErrUnavailable) {
		t.Fatal(err)
	}
	for _, line := range strings.Split(libraryLog.String(), "\n") {
		if strings.Contains(line, address) && strings.Contains(line, "level=DEBUG") && !strings.Contains(line, "p4ssword") {
			return
		}
	}
	t.Errorf("a failed dial is not in the log:\n%s", libraryLog.String())
}
