package main

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"time"
)

// distance is a TCP proxy that puts Redis on a network: it forwards every
// chunk of bytes a fixed time after the chunk arrived, in both directions. Any
// number of chunks may be on their way, so it limits no throughput. It sleeps
// while nothing is due.
type distance struct {
	addr         string
	each         time.Duration // each way
	chunks, late atomic.Int64  // number of chunks, and nanoseconds by which all of them were late
}

// chunk is what one read returned. An empty chunk closes the connection.
type chunk struct {
	due  time.Time
	to   net.Conn
	data []byte
}

// startDistance starts a proxy to a Redis server (host:port), which ends with
// the context.
func startDistance(ctx context.Context, target string, each time.Duration) (*distance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	d := &distance{addr: listener.Addr().String(), each: each}
	var queues [2]chan chunk // to Redis and from Redis, each in the order in which chunks are due
	for i := range queues {
		queues[i] = make(chan chunk, 1<<14)
		go d.forward(ctx, queues[i])
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			redis, err := net.DialTimeout("tcp", target, time.Second)
			if err != nil {
				_ = client.Close()
				continue
			}
			go d.read(ctx, client, redis, queues[0])
			go d.read(ctx, redis, client, queues[1])
		}
	}()
	return d, nil
}

// read queues everything that arrives at a connection, and its end.
func (d *distance) read(ctx context.Context, from, to net.Conn, queue chan<- chunk) {
	defer context.AfterFunc(ctx, func() { _ = from.Close() })()
	buffer := make([]byte, 64<<10)
	for n := 1; n > 0; {
		n, _ = from.Read(buffer)
		select {
		case queue <- chunk{due: time.Now().Add(d.each), to: to, data: bytes.Clone(buffer[:n])}:
		case <-ctx.Done():
			_ = from.Close()
			return
		}
	}
}

// forward writes the chunks of one direction when they are due.
func (d *distance) forward(ctx context.Context, queue <-chan chunk) {
	for {
		var c chunk
		select {
		case c = <-queue:
		case <-ctx.Done():
			return
		}
		sleepUntil(c.due)
		d.chunks.Add(1)
		d.late.Add(int64(time.Since(c.due)))
		if len(c.data) > 0 {
			if _, err := c.to.Write(c.data); err == nil {
				continue
			}
		}
		_ = c.to.Close() // its reader then closes the other side
	}
}

// lateness returns by how much a chunk was forwarded late, on average.
func (d *distance) lateness() time.Duration {
	return time.Duration(d.late.Load() / max(1, d.chunks.Load()))
}
