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

// passed calls f for a call that may pass.
func passed[Argument, Result any](ctx context.Context, b *backend, f func(context.Context, Argument) (Result, error), a Argument) (result Result, err error) {
	if err = b.call(); err != nil {
		return result, err
	}
	return f(ctx, a)
}

func (b *backend) Reserve(ctx context.Context, r codes.Reservation) (codes.Reserved, error) {
	return passed(ctx, b, b.Model.Reserve, r)
}

func (b *backend) Check(ctx context.Context, c codes.Check) (codes.Checked, error) {
	return passed(ctx, b, b.Model.Check, c)
}

func (b *backend) Cancel(ctx context.Context, c codes.Cancel) (time.Duration, error) {
	return passed(ctx, b, b.Model.Cancel, c)
}

func (b *backend) Peek(ctx context.Context, n codes.EntryName) (codes.EntryView, error) {
	return passed(ctx, b, b.Model.Peek, n)
}

func (b *backend) Receive(ctx context.Context, r codes.StoredReceipt) (codes.Received, error) {
	return passed(ctx, b, b.Model.Receive, r)
}

func (b *backend) Claim(ctx context.Context, c codes.Claim) (string, codes.Op, error) {
	if err := b.call(); err != nil {
		return "", codes.Op{}, err
	}
	return b.Model.Claim(ctx, c)
}
