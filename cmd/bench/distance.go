package main

import (
	"bytes"
	"net"
	"time"
)

// chunk is what one read returned. An empty chunk closes the connection.
type chunk struct {
	due  time.Time
	to   net.Conn
	data []byte
}

// distance starts a TCP proxy that puts Redis on a network, and returns its
// address. It forwards every chunk of bytes a fixed time after the chunk
// arrived, in both directions. Any number of chunks may be on their way, so it
// limits no throughput.
func (e *env) distance(redis string, each time.Duration) string {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	e.started = append(e.started, func() { _ = listener.Close() })
	// Each direction has a queue, with the chunks in the order in which they are due.
	requests, replies := make(chan chunk, 1<<14), make(chan chunk, 1<<14)
	go forward(requests)
	go forward(replies)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			server, err := net.DialTimeout("tcp", redis, time.Second)
			if err != nil {
				_ = client.Close()
				continue
			}
			go receive(client, server, each, requests)
			go receive(server, client, each, replies)
		}
	}()
	return listener.Addr().String()
}

// receive queues everything that arrives at a connection, and its end.
func receive(from, to net.Conn, each time.Duration, queue chan<- chunk) {
	buffer := make([]byte, 64<<10)
	for n := 1; n > 0; {
		n, _ = from.Read(buffer)
		queue <- chunk{due: time.Now().Add(each), to: to, data: bytes.Clone(buffer[:n])}
	}
}

// forward writes the chunks of one direction when they are due.
func forward(queue <-chan chunk) {
	for c := range queue {
		sleepUntil(c.due)
		if len(c.data) > 0 {
			if _, err := c.to.Write(c.data); err == nil {
				continue
			}
		}
		_ = c.to.Close() // its reader then closes the other side
	}
}
