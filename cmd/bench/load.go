package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// client is one kept HTTP connection. It does as little as possible, because
// it shares the processors with the system that is measured.
type client struct {
	env  *env
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

// errRefused is a 503: the system is overloaded and says so. The load counts
// these answers separately.
var errRefused = errors.New("answered 503")

// create requests a code for entry n and expects success.
func (c *client) create(n, recipient uint64) error {
	return c.post("/", fmt.Sprintf(`{"auth_id":"bench-%012d","recipient":"%s"}`, n, recipientOf(recipient)), http.StatusOK, "Success")
}

// right enters the right code of entry n.
func (c *client) right(n uint64) error {
	return c.verify(n, c.env.codeOf(n).Load(), http.StatusOK, `"authenticated":true`)
}

// wrong enters a code for entry n that is not the right one.
func (c *client) wrong(n uint64) error {
	return c.verify(n, (c.env.codeOf(n).Load()+1)%10_000, http.StatusBadRequest, `"InvalidAuthCode"`)
}

func (c *client) verify(n uint64, code uint32, status int, want string) error {
	return c.post("/verify", fmt.Sprintf(`{"auth_id":"bench-%012d","code":"%04d"}`, n, code), status, want)
}

// post sends a request and expects an answer with that status whose body
// contains want.
func (c *client) post(path, body string, status int, want string) error {
	c.out = fmt.Appendf(c.out[:0], "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, apiKey, len(body), body)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return fmt.Errorf("read an answer: %w", err)
	case answer.StatusCode == http.StatusServiceUnavailable:
		return errRefused
	case answer.StatusCode != status || !bytes.Contains(got, []byte(want)):
		return fmt.Errorf("wrong answer: %d %s, want %d with %s", answer.StatusCode, got, status, want)
	}
	return nil
}

// codeOf is the code that was last sent to the recipient of entry n.
func (e *env) codeOf(n uint64) *atomic.Uint32 { return &e.codes[n%uint64(len(e.codes))] }

const (
	firstArea, areas         = 212, 8 // area codes of eight states
	firstExchange, exchanges = 200, 800
)

// recipientOf returns the phone number of entry n, which Flowroute accepts.
// Entries that follow each other are in different area codes and exchanges, as
// those of real traffic are. Entries 64 million apart have the same number.
func recipientOf(n uint64) string {
	return fmt.Sprintf("1%03d%03d%04d", firstArea+n%areas, firstExchange+n/areas%exchanges, n/areas/exchanges%10_000)
}

// entryOf is the inverse of recipientOf.
func entryOf(recipient string) uint64 {
	n, _ := strconv.ParseUint(recipient, 10, 64)
	area, exchange, line := n/10_000_000%1000, n/10_000%1000, n%10_000
	return (line*exchanges+exchange-firstExchange)*areas + area - firstArea
}

// load is a closed loop: each connection sends its next request when it has
// received the answer to the last one.
type load struct {
	replicas    []replica // they get the connections in turn
	connections int
	length      time.Duration
	limit       uint64                           // number of operations; 0: any
	step        func(c *client, op uint64) error // does one operation and checks its answers
}

// answerTimeout is how long the last answers may take after the load's end.
const answerTimeout = 10 * time.Second

// load runs a load and returns how many operations were answered as expected,
// their rate, latency, and the share of 503. A wrong answer is an error, which
// ends it.
func (e *env) load(ctx context.Context, l load) (ops float64, v values, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(l.length+answerTimeout, func() { cancel(errors.New("no answer in time")) }).Stop()
	var next, busy atomic.Uint64
	var wg sync.WaitGroup
	took := make([][]time.Duration, l.connections)
	begun := time.Now()
	for i := range took {
		conn, err := net.DialTimeout("tcp", l.replicas[i%len(l.replicas)].addr, startTimeout)
		if err != nil {
			return 0, v, err
		}
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends the read
		wg.Go(func() {
			defer func() { _ = conn.Close() }()
			c := &client{env: e, conn: conn, in: bufio.NewReader(conn)}
			for start := time.Now(); start.Sub(begun) < l.length; start = time.Now() {
				op := next.Add(1) - 1
				if l.limit > 0 && op >= l.limit {
					return
				}
				switch err := l.step(c, op); {
				case err == nil:
					took[i] = append(took[i], time.Since(start))
				case errors.Is(err, errRefused):
					busy.Add(1)
				default:
					cancel(err) // the first error counts
					return
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(begun)
	if ctx.Err() != nil {
		return 0, v, context.Cause(ctx)
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	n, answered503 := len(all), float64(busy.Load())
	if n == 0 {
		return 0, v, fmt.Errorf("no request succeeded within %v; %.0f were answered 503", elapsed, answered503)
	}
	ops = float64(n)
	v[rate] = ops / elapsed.Seconds()
	v[p50], v[p99] = all[n/2].Seconds()*1e3, all[n*99/100].Seconds()*1e3
	v[refused] = 100 * answered503 / (ops + answered503)
	return ops, v, nil
}

// forEach does step for count entries from first on. Nothing is measured, so a 503 of
// a busy machine is retried.
func (e *env) forEach(ctx context.Context, r replica, first, count uint64, step func(c *client, n uint64) error) {
	_, _, err := e.load(ctx, load{
		replicas: []replica{r}, connections: 32, length: time.Hour, limit: count,
		step: func(c *client, op uint64) (err error) {
			for range 20 {
				if err = step(c, first+op); !errors.Is(err, errRefused) {
					return err
				}
			}
			return fmt.Errorf("20 attempts failed, the last one: %w", err)
		},
	})
	check(err)
}

// unused returns the first of count entries that were not used before.
func (e *env) unused(count uint64) (first uint64) { return e.used.Add(count) - count }

// seed creates count entries that were not used before and returns the first.
func (e *env) seed(ctx context.Context, r replica, count uint64) (first uint64) {
	first = e.unused(count)
	e.forEach(ctx, r, first, count, func(c *client, n uint64) error { return c.create(n, n) })
	return first
}
