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

// Key is an API key as the service knows it: its holder's name, and the
// SHA-256 of the key as it is sent after "Bearer ".
type Key struct {
	Name string
	Hash [sha256.Size]byte
}

// Failures counts failed authentications, over all replicas.
type Failures interface {
	// CountFailure counts one for the address; a *codes.LimitError says that
	// there are already as many as the window allows, codes.ErrUnavailable
	// that it may not have been counted.
	CountFailure(ctx context.Context, address codes.Digest, w codes.Window) error
}

// authenticate lets a request through that has one of the keys; its caller is
// the holder of the key. Without keys every request passes.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(s.Keys) == 0 {
			return next(c)
		}
		info := infoOf(c)
		key, sent := info.face.apiKey(c.Request().Header)
		name, ok := s.holder(key)
		if sent && ok {
			info.caller = name
			return next(c)
		}
		// The holder of a right key is never counted out by somebody who
		// shares the address; it is the wrong keys that wait.
		if sent {
			if err := s.countWrongKey(c); err != nil {
				return err
			}
		}
		return fail(Unauthorized, "A valid API key is required: Authorization: Bearer KEY")
	}
}

// countWrongKey fails if the client's address has tried too many, or if that
// cannot be counted: no key is tried uncounted. A client that hangs up is
// counted too: it does not get a free guess. An address that is known to be over
// its limit costs no round trip to the store.
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

// holder returns the name of a key. It takes the same time whichever key it is,
// or none.
func (s *Server) holder(key string) (name string, ok bool) {
	hash := sha256.Sum256([]byte(key))
	for _, k := range s.Keys {
		if subtle.ConstantTimeCompare(hash[:], k.Hash[:]) == 1 {
			name, ok = k.Name, true
		}
	}
	return name, ok
}
