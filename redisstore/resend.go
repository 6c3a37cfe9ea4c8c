package redisstore

import (
	"fmt"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// resendArg says whether the code of a live entry may be sent again.
func resendArg(r codes.Reservation) string {
	if !r.SameCode {
		return ""
	}
	return fmt.Sprintf("%04d", r.Entry.Digits) + recipientArg(r.PreviousRecipient)
}

// resentFrom reads the end of an answer of the script reserve, about an entry
// that stays.
func resentFrom(answer string) (*codes.Resent, error) {
	live := &codes.Resent{}
	var millis int64
	answer, err := numbers(answer, &live.AttemptsLeft, &millis)
	if err != nil || len(answer) != len(live.Code)+len(live.Op) {
		return nil, errMalformed
	}
	live.TTLLeft = time.Duration(millis) * time.Millisecond
	live.Code, live.Op = codes.Digest([]byte(answer[:len(live.Code)])), codes.Op([]byte(answer[len(live.Code):]))
	return live, nil
}
