package codestest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Sender is a codes.Sender that keeps the messages.
type Sender struct {
	mu       sync.Mutex
	messages []codes.Message
	err      error
}

// MessageID returns the id of the nth message that a Sender keeps, from 1.
func MessageID(n int) string { return fmt.Sprintf("mdr2-%032x", n) }

// Send keeps m, or returns the error of FailWith. With codes.ErrUnconfirmed it does
// both, since the message may arrive.
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

// FailWith makes Send fail with err from now on; nil ends that.
func (s *Sender) FailWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Messages returns the messages, in order.
func (s *Sender) Messages() []codes.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]codes.Message(nil), s.messages...)
}
