package codes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func TestCheck(t *testing.T) {
	t.Run("right once", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.check("other id", code, unknown)
		f.check("id", code, right)
		f.check("id", code, unknown)
	})
	t.Run("wrong down to none", func(t *testing.T) {
		f := newFixture(t)
		f.options.Policy.CodeLength = 30 // never all zeros
		f.open()
		code := f.create("id", seattle)
		f.check("id", notThis(code), f.wrong(2, seattle))
		f.check("id", code+"0", f.wrong(1, seattle)) // digits of another length
		f.check("id", code[:29], f.wrong(0, seattle))
		f.check("id", code, unknown)
	})
	t.Run("expiry is reported once", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.model.Advance(time.Hour)
		f.check("id", code, expired)
		f.check("id", code, unknown)
	})
	t.Run("valid to the last moment", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.model.Advance(time.Hour - 1)
		f.check("id", code, right)
	})
	t.Run("expiry is forgotten", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.model.Advance(70 * time.Minute)
		f.check("id", code, unknown)
	})
	t.Run("leading zeros", func(t *testing.T) {
		f := newFixture(t)
		f.options.Policy.CodeLength = 1
		f.open()
		f.check("id", "0000"+f.create("id", seattle), right)
	})
}

// TestWrongCodesCount: each wrong code counts once for the number, over all
// its entries, and a right one clears nothing.
func TestWrongCodesCount(t *testing.T) {
	f := newFixture(t)
	f.limits().Guesses = codestest.Windows(t, "3/1h")
	f.open()
	code := f.create("one", seattle)
	f.check("one", notThis(code), f.wrong(2, seattle))
	f.check("one", code, right)
	f.check("one", code, unknown)    // nobody's
	f.check("absent", code, unknown) // nobody's
	code = f.create("two", seattle)
	f.check("two", notThis(code), f.wrong(2, seattle))
	f.create("three", seattle) // two of three
	f.check("two", notThis(code), f.wrong(1, seattle))
	f.limited("four", seattle, "GUESS_LIMITS 3/1h")
	f.create("four", toronto)
	f.check("two", code, right) // a live entry can still be used
	f.limited("four", seattle, "GUESS_LIMITS 3/1h")
}

func TestCheckFailing(t *testing.T) {
	f := newFixture(t).open()
	code := f.create("id", seattle)
	f.store.checkErr = fmt.Errorf("down: %w", codes.ErrUnavailable)
	for _, c := range []codes.Code{code, notThis(code)} {
		got, err := f.Check(context.Background(), codes.CheckRequest{ID: "id", Code: c})
		if !errors.Is(err, codes.ErrUnavailable) || got != (codes.Outcome{}) {
			t.Errorf("Check = %+v, %v; want ErrUnavailable and no outcome", got, err)
		}
	}
	f.store.checkErr = nil
	f.check("id", notThis(code), f.wrong(2, seattle))
	f.check("id", code, right)
}

func (f *fixture) cancel(id codes.ID) {
	f.t.Helper()
	if err := f.Cancel(context.Background(), codes.CancelRequest{ID: id}); err != nil {
		f.t.Fatal(err)
	}
}

func TestCancel(t *testing.T) {
	f := newFixture(t).open()
	code, other := f.create("id", seattle), f.create("other", seattle)
	for range 2 { // whether or not there is one
		f.cancel("id")
	}
	f.check("id", code, unknown)
	f.check("other", other, right)

	code = f.create("id", seattle)
	f.store.cancelErr = fmt.Errorf("down: %w", codes.ErrUnavailable)
	if err := f.Cancel(context.Background(), codes.CancelRequest{ID: "id"}); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Cancel = %v, want ErrUnavailable", err)
	}
	f.check("id", code, right)
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
