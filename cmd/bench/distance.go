package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// distance is a TCP proxy that puts Redis on a network: it forwards every
// chunk of bytes a fixed time after the chunk arrived, in both directions. Any
// number of chunks may be on their way, so it limits no throughput. It sleeps
// while nothing is due.
type distance struct {
	listener net.Listener
	target   string
	each     time.Duration // each way
	queues   [2]chan chunk // to Redis and from Redis; chunks in the order in which they are due
	stopped  chan struct{}
	running  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn

	chunks, late atomic.Int64 // number of chunks, and nanoseconds by which all of them were late
}

// chunk is what one read returned. Without data it closes the connection.
type chunk struct {
	due  time.Time
	to   net.Conn
	data []byte
}

// startDistance starts a proxy to a Redis server (host:port).
func startDistance(target string, each time.Duration) (*distance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &distance{listener: listener, target: target, each: each, stopped: make(chan struct{})}
	for i := range d.queues {
		t, err := newTimer()
		if err != nil {
			d.close()
			return nil, err
		}
		d.queues[i] = make(chan chunk, 1<<14)
		d.running.Go(func() {
			defer t.close()
			d.forward(d.queues[i], t)
		})
	}
	d.running.Go(d.accept)
	return d, nil
}

func (d *distance) addr() string { return d.listener.Addr().String() }

func (d *distance) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return // closed
		}
		redis, err := net.DialTimeout("tcp", d.target, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		d.mu.Lock()
		d.conns = append(d.conns, client, redis)
		d.mu.Unlock()
		d.running.Go(func() { d.read(client, redis, d.queues[0]) })
		d.running.Go(func() { d.read(redis, client, d.queues[1]) })
	}
}

// read queues what arrives at a connection, and its end.
func (d *distance) read(from, to net.Conn, queue chan<- chunk) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		c := chunk{due: time.Now().Add(d.each), to: to, data: bytes.Clone(buffer[:n])}
		select {
		case queue <- c:
		case <-d.stopped:
			return
		}
		if err != nil && n == 0 {
			return
		}
	}
}

// forward writes the chunks of one direction when they are due.
func (d *distance) forward(queue <-chan chunk, t *timer) {
	for {
		var c chunk
		select {
		case c = <-queue:
		case <-d.stopped:
			return
		}
		if wait := time.Until(c.due); wait > 0 {
			if err := t.sleep(wait); err != nil {
				time.Sleep(time.Until(c.due))
			}
		}
		d.chunks.Add(1)
		d.late.Add(int64(time.Since(c.due)))
		if len(c.data) == 0 {
			_ = c.to.Close()
		} else if _, err := c.to.Write(c.data); err != nil {
			_ = c.to.Close() // its reader closes the other side
		}
	}
}

// lateness returns by how much a chunk was forwarded late, on average.
func (d *distance) lateness() time.Duration {
	return time.Duration(d.late.Load() / max(1, d.chunks.Load()))
}

// close closes all connections and waits until everything has ended.
func (d *distance) close() {
	_ = d.listener.Close()
	close(d.stopped)
	d.mu.Lock()
	for _, c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.running.Wait()
}

// roundTrip returns the median time of a PING to the Redis at addr.
func roundTrip(ctx context.Context, addr string) (time.Duration, error) {
	client := dialRedis(addr)
	defer func() { _ = client.Close() }()
	took := make([]time.Duration, 101)
	for i := range took {
		begun := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			return 0, fmt.Errorf("ping redis: %w", err)
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
