package codes_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"auth_id must be 1 to 120 characters":            &codes.ArgumentError{Argument: "auth_id", Rule: "1 to 120 characters"},
		"limit SEND_LIMITS 5/10m reached; retry in 9m0s": &codes.LimitError{Limit: "SEND_LIMITS 5/10m", RetryAfter: 9 * time.Minute},
		"send rate exceeded; retry in 2s":                &codes.UnavailableError{RetryAfter: 2 * time.Second, Cause: "send rate exceeded"},
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestUnavailableErrorIsUnavailable(t *testing.T) {
	err := fmt.Errorf("outer: %w", &codes.UnavailableError{RetryAfter: time.Second, Cause: "send rate exceeded"})
	for target, want := range map[error]bool{
		codes.ErrUnavailable: true, codes.ErrRejected: false, codes.ErrUnconfirmed: false, codes.ErrRecipientNotAllowed: false,
	} {
		if errors.Is(err, target) != want {
			t.Errorf("is %v: %t, want %t", target, !want, want)
		}
	}
}
