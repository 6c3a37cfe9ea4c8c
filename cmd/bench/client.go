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
	conn   net.Conn
	in     *bufio.Reader
	out    []byte
	status int    // of the last answer
	body   []byte // of the last answer
}

func dialClient(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, startTimeout)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// create requests a code for entry n and expects success.
func (c *client) create(n, recipient uint64) error {
	body := fmt.Sprintf(`{"auth_id":"bench-%012d","recipient":"%s"}`, n, recipientOf(recipient))
	return c.post("/", body, http.StatusOK, "Success")
}

const (
	right   = `"authenticated":true`
	wrong   = `"InvalidAuthCode"`
	unknown = `"UnknownAuthId"`
)

func (c *client) right(n, code uint64) error { return c.verify(n, code, http.StatusOK, right) }

// wrong enters a code that is not the right one.
func (c *client) wrong(n, code uint64) error {
	return c.verify(n, (code+1)%10_000, http.StatusBadRequest, wrong)
}

func (c *client) verify(n, code uint64, status int, want string) error {
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
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	switch {
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

// recipientOf returns the phone number of entry n, which Flowroute accepts.
// Entries that follow each other are in different area codes and exchanges, as
// those of real traffic are. Entries 80 million apart have the same number.
func recipientOf(n uint64) string {
	areas := areaCodes()
	area, n := areas[n%uint64(len(areas))], n/uint64(len(areas))
	return fmt.Sprintf("1%s%03d%04d", area, 200+n%exchanges, n/exchanges%10_000)
}

// entryOf is the inverse of recipientOf.
func entryOf(recipient string) uint64 {
	areas := areaCodes()
	exchange, _ := strconv.ParseUint(recipient[4:7], 10, 64)
	line, _ := strconv.ParseUint(recipient[7:], 10, 64)
	for i, area := range areas {
		if area == recipient[1:4] {
			return (line*exchanges+exchange-200)*uint64(len(areas)) + uint64(i)
		}
	}
	return 0
}

const exchanges = 800 // of an area code: 200 to 999

func areaCodes() []string {
	return []string{"206", "425", "212", "213", "214", "215", "216", "217", "218", "219"}
}
