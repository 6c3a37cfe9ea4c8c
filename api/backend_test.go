package api

import (
	"context"
	"sync"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// backend is the reference model. It counts the calls, and fails on demand.
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

func (b *backend) Put(ctx context.Context, e codes.Entry) (time.Duration, error) {
	if err := b.call(); err != nil {
		return 0, err
	}
	return b.Model.Put(ctx, e)
}

func (b *backend) Try(ctx context.Context, t codes.Try) (codes.Outcome, error) {
	if err := b.call(); err != nil {
		return codes.Outcome{}, err
	}
	return b.Model.Try(ctx, t)
}

func (b *backend) Delete(ctx context.Context, d codes.Deletion) (time.Duration, error) {
	if err := b.call(); err != nil {
		return 0, err
	}
	return b.Model.Delete(ctx, d)
}

func (b *backend) Take(ctx context.Context, p codes.Place) (time.Duration, error) {
	if err := b.call(); err != nil {
		return 0, err
	}
	return b.Model.Take(ctx, p)
}
