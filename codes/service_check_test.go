package codes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

func TestCheck(t *testing.T) {
	f := newFixture(t)
	f.options.Policy.CodeLength = 30 // never all zeros
	f.open()
	code := f.create("id", seattle)
	f.check("other id", code, unknown)
	f.check("id", code+"0", f.wrong(2, seattle))
	f.check("id", code[:29], f.wrong(1, seattle)) // digits of another length are a wrong code
	f.check("id", code, right)
	f.check("id", code, unknown)
}

func TestCheckFailing(t *testing.T) {
	f := newFixture(t).open()
	code := f.create("id", seattle)
	f.store.fail["Check"] = fmt.Errorf("down: %w", codes.ErrUnavailable)
	for _, c := range []codes.Code{code, notThis(code)} {
		got, err := f.Check(context.Background(), codes.CheckRequest{ID: "id", Code: c})
		if !errors.Is(err, codes.ErrUnavailable) || got != (codes.Outcome{}) || len(f.events.checked) > 0 {
			t.Errorf("Check = %+v, %v, with %d events; want ErrUnavailable alone", got, err, len(f.events.checked))
		}
	}
	f.store.fail["Check"] = nil
	f.check("id", notThis(code), f.wrong(2, seattle))
	f.check("id", code, right)
}

func (f *fixture) cancel(id codes.ID) {
	f.t.Helper()
	if err := f.Cancel(context.Background(), codes.CancelRequest{ID: id}); err != nil {
		f.t.Fatal(err)
	}
}

// TestCancel: each answered cancel is reported, with the lifetime that the entry had
// left.
func TestCancel(t *testing.T) {
	f := newFixture(t).open()
	code := f.create("id", seattle)
	f.model.Advance(time.Minute)
	for range 2 { // whether or not there is one
		f.cancel("id")
	}
	f.check("id", code, unknown)

	code = f.create("id", seattle)
	f.store.fail["Cancel"] = fmt.Errorf("down: %w", codes.ErrUnavailable)
	if err := f.Cancel(context.Background(), codes.CancelRequest{ID: "id"}); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Cancel = %v, want ErrUnavailable", err)
	}
	f.check("id", code, right)
	if want := []time.Duration{59 * time.Minute, 0}; !slices.Equal(f.events.cancelled, want) {
		t.Errorf("reported %v, want %v", f.events.cancelled, want)
	}
}

// TestCheckIsFinished: a caller that hangs up gets no free guess.
func TestCheckIsFinished(t *testing.T) {
	f := newFixture(t).open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code := f.create("id", seattle)
	got, err := f.Check(ctx, codes.CheckRequest{ID: "id", Code: notThis(code)})
	if err != nil || got != f.wrong(2, seattle) {
		t.Errorf("Check = %+v, %v under a cancelled context", got, err)
	}
	f.check("id", notThis(code), f.wrong(1, seattle))
	if err := f.Cancel(ctx, codes.CancelRequest{ID: "id"}); err != nil {
		t.Errorf("Cancel = %v under a cancelled context", err)
	}
	f.check("id", code, unknown)
}
