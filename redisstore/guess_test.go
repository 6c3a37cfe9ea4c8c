package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestGuessCountedLater: where a wrong code is counted in a slot of its own, and
// that slot fails, the attempt is spent and the code is counted when the slot is
// back.
func TestGuessCountedLater(t *testing.T) {
	instance, prefix := proxied(t), freshPrefix()
	store := openStore(t, instance, prefix)
	prepare(t, store)
	message, err := codes.ParseTemplate("{code}")
	if err != nil {
		t.Fatal(err)
	}
	service := codes.NewService(codes.Options{
		Policy: codes.Policy{
			CodeLength: 12, Lifetime: time.Minute, Attempts: 3, Message: message,
			Limits: codes.Limits{Guesses: codestest.Windows(t, "1/1h")},
		},
		Secret: codes.NewHasher([]byte("secret")), Store: store, Sender: &codestest.Sender{}, SendTimeout: time.Minute,
	})
	const phone codes.Phone = "12065551234"
	if _, err := service.Create(t.Context(), codes.CreateRequest{ID: "a", Recipient: phone}); err != nil {
		t.Fatal(err)
	}
	unblock := blockGuesses(t, instance, prefix, codes.NewHasher([]byte("secret")).Phone(phone))
	if got, err := service.Check(t.Context(), codes.CheckRequest{ID: "a", Code: "1"}); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Check = %+v, %v; want unavailable", got, err)
	}
	unblock()
	if err := service.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	var limit *codes.LimitError
	if _, err := service.Create(t.Context(), codes.CreateRequest{ID: "b", Recipient: phone}); !errors.As(err, &limit) {
		t.Errorf("Create = %v, want the limit of wrong codes", err)
	}
	status, err := service.Status(t.Context(), codes.StatusRequest{ID: "a"})
	if err != nil || status.AttemptsLeft != 2 {
		t.Errorf("Status = %+v, %v; want 2 attempts left", status, err)
	}
}

// blockGuesses makes the log of a number's wrong codes fail until it is told to stop.
func blockGuesses(t *testing.T, instance *redistest.Instance, prefix string, number codes.Digest) (unblock func()) {
	t.Helper()
	key := prefix + "w{" + number.String() + "}"
	if err := instance.Client().HSet(t.Context(), key, "not", "a log").Err(); err != nil {
		t.Fatal(err)
	}
	return func() { instance.Client().Del(t.Context(), key) }
}
