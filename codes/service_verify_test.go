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

func TestVerify(t *testing.T) {
	t.Run("right once", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.verify("other id", code, unknown)
		f.verify("id", code, right)
		f.verify("id", code, unknown)
	})
	t.Run("wrong down to none", func(t *testing.T) {
		f := newFixture(t)
		f.rules.CodeLength = 30 // never all zeros
		f.open()
		code := f.create("id", seattle)
		f.verify("id", notThis(code), f.wrong(2, seattle))
		f.verify("id", code+"0", f.wrong(1, seattle)) // digits of another length
		f.verify("id", code[:29], f.wrong(0, seattle))
		f.verify("id", code, unknown)
	})
	t.Run("expired is told once", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.model.Advance(time.Hour)
		f.verify("id", code, codes.Outcome{Status: codes.Expired})
		f.verify("id", code, unknown)
	})
	t.Run("valid to the last moment", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.model.Advance(time.Hour - 1)
		f.verify("id", code, right)
	})
	t.Run("expiry is forgotten", func(t *testing.T) {
		f := newFixture(t).open()
		code := f.create("id", seattle)
		f.model.Advance(70 * time.Minute)
		f.verify("id", code, unknown)
	})
	t.Run("leading zeros", func(t *testing.T) {
		f := newFixture(t)
		f.rules.CodeLength = 1
		f.open()
		f.verify("id", "0000"+f.create("id", seattle), right)
	})
}

// TestWrongCodesCount: each wrong code counts once for the number, over all
// its entries, and a right one clears nothing.
func TestWrongCodesCount(t *testing.T) {
	f := newFixture(t)
	f.limits.Guesses = codestest.Windows(t, "3/1h")
	f.open()
	code := f.create("one", seattle)
	f.verify("one", notThis(code), f.wrong(2, seattle))
	f.verify("one", code, right)
	f.verify("one", code, unknown)    // nobody's
	f.verify("absent", code, unknown) // nobody's
	code = f.create("two", seattle)
	f.verify("two", notThis(code), f.wrong(2, seattle))
	f.create("three", seattle) // two of three
	f.verify("two", notThis(code), f.wrong(1, seattle))
	f.limited("four", seattle, "GUESS_LIMITS 3/1h")
	f.create("four", toronto)
	f.verify("two", code, right) // a live entry can still be used
	f.limited("four", seattle, "GUESS_LIMITS 3/1h")
	if want := f.secret.Phone(seattle); len(f.limiter.wrong) != 3 || f.limiter.wrong[2] != want {
		t.Errorf("%d wrong codes counted, want 3 for the number", len(f.limiter.wrong))
	}
}

func TestVerifyFailing(t *testing.T) {
	down := fmt.Errorf("down: %w", codes.ErrUnavailable)
	for name, test := range map[string]struct {
		tryErr, countErr error
		code             func(codes.Code) codes.Code
		left             int64 // afterwards
	}{
		"the store":                      {down, nil, notThis, 2},
		"the count of a wrong code":      {nil, down, notThis, 1}, // the attempt is spent
		"the store, with the right code": {down, nil, func(c codes.Code) codes.Code { return c }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t).open()
			code := f.create("id", seattle)
			f.store.tryErr, f.limiter.countErr = test.tryErr, test.countErr
			got, err := f.Verify(context.Background(), "id", test.code(code))
			if !errors.Is(err, codes.ErrUnavailable) || got != (codes.Outcome{}) {
				t.Errorf("Verify = %+v, %v; want ErrUnavailable and no outcome", got, err)
			}
			f.store.tryErr, f.limiter.countErr = nil, nil
			f.verify("id", notThis(code), f.wrong(test.left, seattle))
			f.verify("id", code, right)
		})
	}
	t.Run("the count, with the right code", func(t *testing.T) {
		f := newFixture(t).open()
		f.limiter.countErr = down
		f.verify("id", f.create("id", seattle), right)
	})
}

func TestCancel(t *testing.T) {
	f := newFixture(t).open()
	code, other := f.create("id", seattle), f.create("other", seattle)
	for range 2 { // whether or not there is one
		if _, err := f.Cancel(context.Background(), "id"); err != nil {
			t.Fatal(err)
		}
	}
	f.verify("id", code, unknown)
	f.verify("other", other, right)

	code = f.create("id", seattle)
	f.store.deleteErr = fmt.Errorf("down: %w", codes.ErrUnavailable)
	if _, err := f.Cancel(context.Background(), "id"); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Cancel = %v, want ErrUnavailable", err)
	}
	f.verify("id", code, right)
}

// TestVerifyIsFinished: a caller that hangs up gets no free guess.
func TestVerifyIsFinished(t *testing.T) {
	f := newFixture(t).open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code := f.create("id", seattle)
	if got, err := f.Verify(ctx, "id", notThis(code)); err != nil || codestest.Answer(got) != f.wrong(2, seattle) {
		t.Errorf("Verify = %+v, %v under a cancelled context", got, err)
	}
	if len(f.limiter.wrong) != 1 {
		t.Errorf("%d wrong codes counted, want 1", len(f.limiter.wrong))
	}
	f.verify("id", notThis(code), f.wrong(1, seattle))
	if _, err := f.Cancel(ctx, "id"); err != nil {
		t.Errorf("Cancel = %v under a cancelled context", err)
	}
	f.verify("id", code, unknown)
}
