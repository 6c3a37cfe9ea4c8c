package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const startTimeout = 10 * time.Second

// process is a program that the benchmark started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startProcess starts a program and returns when ready accepts a line of its
// output. Later output is read and dropped, so that the program never blocks.
func startProcess(ctx context.Context, cmd *exec.Cmd, ready func(line []byte) bool) (*process, error) {
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.exited)
		started <- readUntil(bufio.NewReader(output), ready)
		_, _ = io.Copy(io.Discard, output)
		_ = cmd.Wait() // it was killed, or its output says why it ended
	}()
	select {
	case err = <-started:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(startTimeout):
		err = errors.New("not ready in time")
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	return p, nil
}

// readUntil reads up to the line that ready accepts. If the program ends
// before, the error holds its output.
func readUntil(output *bufio.Reader, ready func(line []byte) bool) error {
	var all []byte
	for {
		line, err := output.ReadBytes('\n')
		if err == nil && ready(line) {
			return nil
		}
		all = append(all, line...)
		if err != nil {
			return fmt.Errorf("it ended: %s", all)
		}
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end kills the program and waits until it is gone.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // fails if it has ended already
	<-p.exited
}

// redisServer is a redis-server without persistence.
type redisServer struct {
	*process
	addr   string
	client *redis.Client
}

func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	p, err := startProcess(ctx, cmd, func(line []byte) bool { return bytes.Contains(line, []byte("Ready to accept connections")) })
	if err != nil {
		return nil, err
	}
	return &redisServer{process: p, addr: addr, client: dialRedis(addr)}, nil
}

// dialRedis returns a go-redis client with a pool of connections.
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

// clear removes every key.
func (r *redisServer) clear(ctx context.Context) error { return r.client.FlushAll(ctx).Err() }

// info returns one field of a section of INFO.
func (r *redisServer) info(ctx context.Context, section, field string) (string, error) {
	text, err := r.client.Info(ctx, section).Result()
	_, rest, _ := strings.Cut(text, "\n"+field+":")
	value, _, _ := strings.Cut(rest, "\r")
	return value, err
}
