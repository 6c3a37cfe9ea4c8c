package codestest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowroute/sms-verification/codes"
)

// clocks keeps the clock of a backend, which may run by itself, near the Model's,
// which stands still.
type clocks struct {
	most    time.Duration // by which they may differ
	synced  time.Time     // when they last agreed
	drifted bool
}

func newClocks(most time.Duration) clocks { return clocks{most: most, synced: time.Now()} }

// lost reports whether the clocks ever differed too much. From then on the answers
// of the backend cannot be compared.
func (c *clocks) lost() bool {
	c.drifted = c.drifted || time.Since(c.synced) > c.most
	return c.drifted
}

// advance moves both clocks by d, less what the backend's has run ahead.
func (c *clocks) advance(d time.Duration, model *Model, backend func(time.Duration)) {
	if c.lost() {
		return
	}
	now := time.Now()
	backend(d - now.Sub(c.synced))
	c.synced = now
	model.Advance(d)
}

// difference returns how two answers differ by more than the clocks. Of two times left,
// both are positive, or neither. A turn of the model is as far off as when the clocks
// agreed, the backend's may be nearer by now.
func (c *clocks) difference(got, want any) string {
	return cmp.Diff(want, got,
		cmp.Comparer(func(a, b time.Duration) bool { return (a > 0) == (b > 0) && (a-b).Abs() <= c.most }),
		cmp.Comparer(func(a, b codes.Turn) bool { return a.Begin.Sub(b.Begin).Abs() <= c.most }))
}

// sameError reports whether two errors are the same, apart from their texts.
func sameError(err, want error) bool {
	var limit, wantLimit *codes.LimitError
	var busy, wantBusy *codes.UnavailableError
	switch {
	case want == nil:
		return err == nil
	case errors.As(want, &wantLimit):
		return errors.As(err, &limit) && *limit == *wantLimit
	case errors.As(want, &wantBusy):
		return errors.As(err, &busy) && busy.RetryAfter == wantBusy.RetryAfter
	}
	return errors.Is(err, codes.ErrUnavailable)
}

func enough(t *testing.T, compared int) {
	t.Helper()
	if compared < 500 {
		t.Errorf("only %d answers were in time to be compared", compared)
	}
}
