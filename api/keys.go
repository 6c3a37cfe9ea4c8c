package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// Key is an API key: the name of its holder and the SHA-256 of the key.
type Key struct {
	Name string
	Hash [sha256.Size]byte
}

// Failures counts failed authentications over all replicas.
type Failures interface {
	// CountFailure counts one failure of the address. It MUST return a
	// *codes.LimitError if the window is full, and codes.ErrUnavailable if the failure
	// may not have been counted.
	CountFailure(ctx context.Context, address codes.Digest, w codes.Window) error
}

// authenticate records the holder of a request's API key as its caller. It returns an
// error if there is no right key. Without configured keys every request passes.
func (s *Server) authenticate(c echo.Context) error {
	if len(s.Keys) == 0 {
		return nil
	}
	info := infoOf(c)
	key, sent := info.dialect.apiKey(c.Request().Header)
	name, ok := s.holder(key)
	if sent && ok {
		info.caller = name
		return nil
	}
	// Only wrong keys are limited: somebody who shares the address must not lock out the
	// holder of a right one.
	if sent {
		if err := s.countWrongKey(c); err != nil {
			return err
		}
	}
	return fail(Unauthorized, "A valid API key is required: Authorization: Bearer KEY")
}

// countWrongKey returns an error if the client's address has tried too many keys, or if
// this one cannot be counted. A client that hangs up is counted too. An address known to
// be over its limit costs no round trip to the store.
func (s *Server) countWrongKey(c echo.Context) error {
	window := codes.Window{Max: 30, Span: time.Minute, Text: "30/1m"}
	address := s.Hasher.Address(s.clientNetwork(c.Request()))
	if err := s.lockedOut.check(address, time.Now()); err != nil {
		return err
	}
	if err := s.wrongKeys.enter(); err != nil {
		return err
	}
	defer s.wrongKeys.leave()
	err := s.Failures.CountFailure(context.WithoutCancel(c.Request().Context()), address, window)
	var limit *codes.LimitError
	if errors.As(err, &limit) {
		s.lockedOut.add(address, *limit, time.Now())
	}
	return err
}

// holder returns the name of a key's holder, in the same time for any key.
func (s *Server) holder(key string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(key))
	for _, k := range s.Keys {
		if subtle.ConstantTimeCompare(hash[:], k.Hash[:]) == 1 {
			name, ok = k.Name, true
		}
	}
	return name, ok
}
