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

// client is one connection that is kept, with its requests rendered before.
// It does as little as possible: it shares the processors with what is
// measured.
type client struct {
	net            net.Conn
	in             *bufio.Reader
	create, verify request
	status         int    // of the last answer
	body           []byte // of the last answer
}

// request is the text of a request with two fields of fixed width to fill in.
type request struct {
	text      []byte
	id, value []byte // within text
}

const (
	idField        = "############"
	recipientField = "@@@@@@@@@@@"
	codeField      = "@@@@"
)

func newRequest(path, body string) request {
	text := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, apiKey, len(body), body)
	id, value := bytes.Index(text, []byte(idField)), bytes.IndexByte(text, '@')
	return request{text: text, id: text[id : id+len(idField)], value: text[value : bytes.LastIndexByte(text, '@')+1]}
}

func dialClient(addr string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, startTimeout)
	if err != nil {
		return nil, err
	}
	return &client{
		net:    conn,
		in:     bufio.NewReader(conn),
		create: newRequest("/", `{"auth_id":"bench-`+idField+`","recipient":"`+recipientField+`"}`),
		verify: newRequest("/verify", `{"auth_id":"bench-`+idField+`","code":"`+codeField+`"}`),
		body:   make([]byte, 0, 512),
	}, nil
}

func (c *client) close() { _ = c.net.Close() }

// digits writes n into a field, with zeros in front.
func digits(field []byte, n uint64) {
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte('0' + n%10)
		n /= 10
	}
}

// doCreate requests a code for an entry and expects to get one.
func (c *client) doCreate(n, recipient uint64) error {
	digits(c.create.id, n)
	copy(c.create.value, recipientOf(recipient))
	return c.do(c.create, http.StatusOK, "Success")
}

// doVerify enters a code and expects an answer that holds want.
func (c *client) doVerify(n, code uint64, status int, want string) error {
	digits(c.verify.id, n)
	digits(c.verify.value, code)
	return c.do(c.verify, status, want)
}

// errRefused is a 503: the system has more to do than it can, and says so. It
// is no wrong answer, but none that counts either.
var errRefused = errors.New("answered 503")

func (c *client) do(r request, status int, want string) error {
	c.status = 0
	if _, err := c.net.Write(r.text); err != nil {
		return err
	}
	if err := c.read(); err != nil {
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

// answered tells whether the last answer has the status and holds want.
func (c *client) answered(status int, want string) bool {
	return c.status == status && bytes.Contains(c.body, []byte(want))
}

// read reads an answer whose length is told.
func (c *client) read() error {
	length := -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case first && len(line) >= len("HTTP/1.1 200"):
			c.status, err = strconv.Atoi(string(line[9:12]))
		case len(line) == 0 && length < 0:
			return errors.New("no Content-Length")
		case len(line) == 0:
			c.body = append(c.body[:0], make([]byte, length)...)
			_, err = io.ReadFull(c.in, c.body)
			return err
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		if err != nil {
			return fmt.Errorf("malformed line %q", line)
		}
	}
}
