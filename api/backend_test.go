package api

import (
	"context"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// backend is the reference model. It counts the first call of each request, and fails it
// with err.
type backend struct {
	*codestest.Model
	mu    sync.Mutex
	calls int
	err   error
}

func (b *backend) call() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	return b.err
}

func (b *backend) failWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *backend) called() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

func (b *backend) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	if err := b.call(); err != nil {
		return codes.Reserved{}, err
	}
	return b.Model.Reserve(ctx, r)
}

func (b *backend) Check(ctx context.Context, c codes.Check) (codes.Checked, error) {
	if err := b.call(); err != nil {
		return codes.Checked{}, err
	}
	return b.Model.Check(ctx, c)
}

func (b *backend) Cancel(ctx context.Context, c codes.Cancel) (time.Duration, error) {
	if err := b.call(); err != nil {
		return 0, err
	}
	return b.Model.Cancel(ctx, c)
}

func (b *backend) Peek(ctx context.Context, n codes.EntryName) (codes.EntryView, error) {
	if err := b.call(); err != nil {
		return codes.EntryView{}, err
	}
	return b.Model.Peek(ctx, n)
}

func (b *backend) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	if err := b.call(); err != nil {
		return "", codes.Op{}, err
	}
	return b.Model.Claim(ctx, c)
}

func (b *backend) Receive(ctx context.Context, r codes.StoredReceipt) (codes.Received, error) {
	if err := b.call(); err != nil {
		return codes.Received{}, err
	}
	return b.Model.Receive(ctx, r)
}
