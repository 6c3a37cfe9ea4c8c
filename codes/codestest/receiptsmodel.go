package codestest

import (
	"context"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// modelMessage is a message, or what waits for one.
type modelMessage struct {
	sent     *codes.SentMessage // nil while it is not known
	receipts []codes.Note
	told     codes.News // what was told of it
	ends     time.Duration
}

// Sent notes a message.
func (m *Model) Sent(ctx context.Context, sent codes.SentMessage) (codes.News, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return codes.News{}, codes.ErrUnavailable
	}
	message := m.message(sent.Message)
	if message.sent != nil {
		return codes.News{}, nil
	}
	message.sent = &sent
	useful := time.Duration(0)
	for _, w := range m.limits.Sends {
		useful = max(useful, w.Span)
	}
	message.ends = m.now + max(sent.Keep, min(useful, codes.MaxReceiptAge))
	if e := m.entries[sent.Entry]; e != nil && e.Op == sent.Place.Op {
		e.message = sent.Message
	}
	return message.news(), nil
}

// Receive notes a receipt.
func (m *Model) Receive(ctx context.Context, n codes.Note) (codes.Received, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return codes.Received{}, codes.ErrUnavailable
	}
	message := m.message(n.Message)
	received := codes.Received{Result: codes.Early}
	if message.sent != nil {
		received = codes.Received{Result: codes.Joined, Known: true, Place: message.sent.Place}
	}
	for _, r := range message.receipts {
		if r.Content == n.Content {
			received.Result = codes.Duplicate
		}
	}
	if received.Result != codes.Duplicate {
		message.receipts = append(message.receipts, n)
		if message.sent == nil {
			message.ends = m.now + n.Keep
		}
	}
	received.News = message.news()
	return received, nil
}

// message returns what there is of a message, or begins it.
func (m *Model) message(id codes.Digest) *modelMessage {
	if known := m.messages[id]; known != nil && m.now < known.ends {
		return known
	}
	m.messages[id] = &modelMessage{ends: m.now + time.Nanosecond} // for this call
	return m.messages[id]
}

// stage is what all receipts together say.
func (m *modelMessage) stage() (codes.Stage, codes.Failure) {
	stage, by := codes.Sent, codes.Failure("")
	for _, r := range m.receipts {
		if r.Stage > stage {
			stage, by = r.Stage, r.Failure
		}
	}
	return stage, by
}

// news is what has not been told yet.
func (m *modelMessage) news() codes.News {
	if m.sent == nil {
		return codes.News{}
	}
	news := codes.News{Area: m.sent.Area, Caller: m.sent.Caller}
	for _, r := range m.receipts {
		news.Delivered = news.Delivered || r.Stage == codes.Delivered && !m.told.Delivered
		news.Failed = news.Failed || r.Stage == codes.Failed && !m.told.Failed
	}
	m.told.Delivered = m.told.Delivered || news.Delivered
	m.told.Failed = m.told.Failed || news.Failed
	return news
}

// Delivery looks at a message.
func (m *Model) Delivery(_ context.Context, id codes.Digest) (codes.Stage, codes.Failure, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stage, by := m.message(id).stage()
	return stage, by, nil
}

// Look looks at an entry.
func (m *Model) Look(_ context.Context, id codes.Digest) (codes.Sight, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[id]
	switch {
	case e == nil || m.now >= e.made+e.Expiration+e.Notice:
		return codes.Sight{}, nil
	case m.now >= e.made+e.Expiration:
		return codes.Sight{Stage: codes.Over}, nil
	}
	sight := codes.Sight{Stage: codes.Made, Left: e.left, Remaining: e.made + e.Expiration - m.now}
	if e.message != (codes.Digest{}) {
		sight.Stage, sight.Message = codes.Sent, e.message
	}
	return sight, nil
}
