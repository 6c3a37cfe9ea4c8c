package codes_test

import (
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
