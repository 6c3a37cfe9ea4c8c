package codestest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Sender is a codes.Sender that keeps what it is given.
type Sender struct {
	mu       sync.Mutex
	messages []codes.Message
	err      error
}

// MessageID is the id of the nth message that a Sender keeps, from 1.
func MessageID(n int) string { return fmt.Sprintf("mdr2-%032x", n) }

// Send keeps m, or fails with what FailWith set. With codes.ErrUnconfirmed it
// does both: the message may arrive.
func (s *Sender) Send(ctx context.Context, m codes.Message) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || m.Late(time.Now()) {
		return "", codes.ErrTooLate
	}
	if s.err == nil || errors.Is(s.err, codes.ErrUnconfirmed) {
		s.messages = append(s.messages, m)
	}
	if s.err != nil {
		return "", s.err
	}
	return MessageID(len(s.messages)), nil
}

// FailWith makes every later Send fail, until it is called with nil.
func (s *Sender) FailWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Messages returns what was kept, in order.
func (s *Sender) Messages() []codes.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]codes.Message(nil), s.messages...)
}
