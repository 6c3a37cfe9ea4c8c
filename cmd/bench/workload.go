package main

import (
	"errors"
	"fmt"
	"net/http"
)

// workload is one kind of operation.
type workload struct {
	name     string
	entries  func(ops uint64) uint64 // how many are stored for so many operations; nil is none
	attempts int64                   // that each has
	step     func(c *client, l *lab, first, op uint64) error
}

const (
	right      = `"authenticated":true`
	wrong      = `"InvalidAuthCode"`
	unknown    = `"UnknownAuthId"`
	targets    = 10_000 // entries at which wrong codes go, one after the other
	manyTrials = 1 << 40
)

// workloads are all there are. An operation of cycle is three requests.
func workloads() []workload {
	return []workload{
		{name: "create", step: func(c *client, l *lab, _, _ uint64) error {
			n := l.reserve(1)
			return c.doCreate(n, n)
		}},
		{name: "verify-right", attempts: 3, entries: func(ops uint64) uint64 { return ops },
			step: func(c *client, _ *lab, first, op uint64) error {
				return c.doVerify(first+op, codeOf(first+op), http.StatusOK, right)
			}},
		{name: "verify-wrong", attempts: manyTrials, entries: func(uint64) uint64 { return targets },
			step: func(c *client, _ *lab, first, op uint64) error {
				n := first + op%targets
				return c.doVerify(n, wrongCode(codeOf(n)), http.StatusBadRequest, wrong)
			}},
		{name: "cycle", step: cycle},
	}
}

// cycle requests a code, enters a wrong one and then the right one.
func cycle(c *client, l *lab, _, _ uint64) error {
	n := l.reserve(1)
	if err := c.doCreate(n, n); err != nil {
		return err
	}
	code, received := l.carrier.codeOf(n)
	if !received {
		return errors.New("no SMS for a code that was created")
	}
	if err := c.doVerify(n, wrongCode(code), http.StatusBadRequest, wrong); err != nil {
		return err
	}
	return c.doVerify(n, code, http.StatusOK, right)
}

func workloadNamed(name string) (workload, error) {
	for _, w := range workloads() {
		if w.name == name {
			return w, nil
		}
	}
	return workload{}, fmt.Errorf("-workloads: there is no %q", name)
}
