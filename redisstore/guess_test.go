package redisstore_test

import (
	"errors"
	"testing"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestGuessCountedLater: a wrong code that is counted in another slot, which fails, costs
// an attempt, and is counted when the slot works again.
func TestGuessCountedLater(t *testing.T) {
	instance := proxied(t)
	store, prefix := openPrepared(t, instance)
	service := newService(t, store, &codestest.Sender{}, codes.Limits{Guesses: codestest.Windows(t, "1/1h")})
	const phone codes.Phone = "12065551234"
	if _, err := service.Create(t.Context(), codes.CreateRequest{ID: "a", Recipient: phone}); err != nil {
		t.Fatal(err)
	}
	log := prefix + "w{" + service.Secret.Phone(phone).String() + "}"
	if err := instance.Client().HSet(t.Context(), log, "not", "a log").Err(); err != nil { // so that scripts on it fail
		t.Fatal(err)
	}
	if got, err := service.Check(t.Context(), codes.CheckRequest{ID: "a", Code: "1"}); !errors.Is(err, codes.ErrUnavailable) {
		t.Errorf("Check = %+v, %v; want unavailable", got, err)
	}
	instance.Client().Del(t.Context(), log)
	if err := service.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	var limit *codes.LimitError
	if _, err := service.Create(t.Context(), codes.CreateRequest{ID: "b", Recipient: phone}); !errors.As(err, &limit) {
		t.Errorf("Create = %v, want the limit of wrong codes", err)
	}
	status, err := service.Status(t.Context(), codes.StatusRequest{ID: "a"})
	if err != nil || status.AttemptsLeft != 4 {
		t.Errorf("Status = %+v, %v; want 4 attempts left", status, err)
	}
}
