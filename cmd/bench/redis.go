package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// redisServer is a redis-server without persistence.
type redisServer struct {
	*process
	addr   string
	client *redis.Client // looks inside
}

func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("redis-server is not installed: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	p, err := startProcess(ctx, cmd, func(line []byte) bool { return bytes.Contains(line, []byte("Ready to accept connections")) })
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort("127.0.0.1", port)
	return &redisServer{process: p, addr: addr, client: dialRedis(addr)}, nil
}

// dialRedis returns a plain client.
func dialRedis(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                     addr,
		PoolSize:                 64,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

func (r *redisServer) close() {
	_ = r.client.Close()
	r.end()
}

func (r *redisServer) url() string { return "redis://" + r.addr + "/0" }

// empty removes every key.
func (r *redisServer) empty(ctx context.Context) error { return r.client.FlushAll(ctx).Err() }

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
