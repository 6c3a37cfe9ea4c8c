package main

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

// The account at the carrier.
const (
	accessKey = "bench-access-key"
	secretKey = "bench-secret-key"
	sender    = "12065550100"
)

// carrier is the Flowroute simulator, in this process so that the load knows
// what the persons receive.
type carrier struct {
	*flowroutetest.Server
	received []atomic.Uint32 // by number of the entry, cut off: the code, plus 1
}

// phones is how many messages are remembered. No load has so many entries in
// flight.
const phones = 1 << 16

func startCarrier() (*carrier, error) {
	c := &carrier{received: make([]atomic.Uint32, phones)}
	server, err := flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: accessKey, SecretKey: secretKey, Numbers: []string{sender}, Keep: 1, OnMessage: c.receive,
	})
	c.Server = server
	return c, err
}

func (c *carrier) receive(m flowroutetest.Message) {
	text, _, _ := strings.Cut(m.Body, "\n")
	if code, err := strconv.ParseUint(text, 10, 32); err == nil {
		c.received[entryOf(m.To)%phones].Store(uint32(code) + 1)
	}
}

// codeOf returns the code that was sent for an entry, once.
func (c *carrier) codeOf(entry uint64) (code uint64, received bool) {
	stored := c.received[entry%phones].Swap(0)
	return uint64(stored) - 1, stored > 0
}
