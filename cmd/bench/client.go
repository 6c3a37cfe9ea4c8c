package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// client is one kept HTTP connection. It does as little as possible, because
// it shares the processors with the system that is measured.
type client struct {
	env    *env
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	status int    // of the last answer
	body   []byte // of the last answer
}

func (e *env) dial(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, startTimeout)
	if err != nil {
		return nil, err
	}
	return &client{env: e, conn: conn, in: bufio.NewReader(conn)}, nil
}

const unknown = `"UnknownAuthId"`

// create requests a code for entry n and expects success.
func (c *client) create(n, recipient uint64) error {
	return c.post("/", fmt.Sprintf(`{"auth_id":"bench-%012d","recipient":"%s"}`, n, recipientOf(recipient)), http.StatusOK, "Success")
}

// right enters the right code of entry n.
func (c *client) right(n uint64) error {
	return c.verify(n, c.env.codeOf(n), http.StatusOK, `"authenticated":true`)
}

// wrong enters a code for entry n that is not the right one.
func (c *client) wrong(n uint64) error {
	return c.verify(n, (c.env.codeOf(n)+1)%10_000, http.StatusBadRequest, `"InvalidAuthCode"`)
}

func (c *client) verify(n uint64, code uint32, status int, want string) error {
	return c.post("/verify", fmt.Sprintf(`{"auth_id":"bench-%012d","code":"%04d"}`, n, code), status, want)
}

// errRefused is a 503: the system is overloaded and reports it. The load
// counts these answers separately.
var errRefused = errors.New("answered 503")

// post sends a request and expects an answer with that status whose body
// contains want.
func (c *client) post(path, body string, status int, want string) error {
	c.out = fmt.Appendf(c.out[:0], "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, apiKey, len(body), body)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err == nil {
		c.status = answer.StatusCode
		c.body, err = io.ReadAll(answer.Body)
		_ = answer.Body.Close()
	}
	switch {
	case err != nil:
		return fmt.Errorf("read an answer: %w", err)
	case c.status == http.StatusServiceUnavailable:
		return errRefused
	case !c.answered(status, want):
		return fmt.Errorf("wrong answer: %d %s, want %d with %s", c.status, c.body, status, want)
	}
	return nil
}

// answered reports whether the last answer has the status and contains want.
func (c *client) answered(status int, want string) bool {
	return c.status == status && bytes.Contains(c.body, []byte(want))
}

// codeOf returns the code that was last sent for entry n.
func (e *env) codeOf(n uint64) uint32 { return e.codes[n%uint64(len(e.codes))].Load() }

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
