package app

import (
	"context"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/api"
	"github.com/flowroute/sms-verification/api/tryit"
	"github.com/flowroute/sms-verification/codes"
)

// Recipients that simulate, in debug mode, what otherwise takes time to see. The
// simulator has numbers for each answer of Flowroute.
const (
	LimitedNumber codes.Phone = "15005550090" // a limit is reached
	ExpiredNumber codes.Phone = "15005550091" // the code has expired when the answer comes
)

// debugService is a service in which these numbers work.
type debugService struct {
	api.Service
	brief *codes.Service // over the same store; its codes expire after a second
}

// newDebugService wraps s, which was made from o.
func newDebugService(s *codes.Service, o codes.Options) debugService {
	o.Policy.Lifetime = time.Second
	o.Profiles = slices.Clone(o.Profiles)
	for i := range o.Profiles {
		o.Profiles[i].Lifetime = time.Second
	}
	return debugService{Service: s, brief: codes.NewService(o)}
}

// Create creates a code, or simulates what its recipient stands for.
func (d debugService) Create(ctx context.Context, r codes.CreateRequest) (codes.Created, error) {
	switch r.Recipient {
	case LimitedNumber:
		return codes.Created{}, &codes.LimitError{Limit: "SEND_LIMITS 1/1m", RetryAfter: time.Minute}
	case ExpiredNumber:
		created, err := d.brief.Create(ctx, r)
		if err == nil {
			time.Sleep(created.Lifetime)
		}
		return created, err
	}
	return d.Service.Create(ctx, r)
}

// NumbersToTry returns these numbers and those of the simulator.
func NumbersToTry() []tryit.Number {
	return []tryit.Number{
		{Phone: "12065550142", Does: "Accepts every message", Answer: "200"},
		{Phone: string(LimitedNumber), Does: "Has reached a limit", Answer: "429 RateLimited"},
		{Phone: string(ExpiredNumber), Does: "Its code expires at once", Answer: "200"},
		{Phone: "15005550001", Does: "Slow: answered after 3 s", Answer: "200"},
		{Phone: "15005550400", Does: "Refused: opted out", Answer: "500 MessageRejected"},
		{Phone: "15005550401", Does: "Refused: credentials", Answer: "500 SenderRefused"},
		{Phone: "15005550403", Does: "Refused: sender", Answer: "500 SenderRefused"},
		{Phone: "15005550404", Does: "Refused: no such path", Answer: "500 SenderRefused"},
		{Phone: "15005550422", Does: "Refused: unreachable", Answer: "500 MessageRejected"},
		{Phone: "15005550429", Does: "Flowroute is too busy", Answer: "503 ServiceUnavailable"},
		{Phone: "15005550408", Does: "Request timeout, 408", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550500", Does: "Flowroute fails with 500", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550502", Does: "Its gateway fails with 502", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550503", Does: "It is unavailable, 503", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550302", Does: "Redirected with 302", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550307", Does: "Redirected with 307", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550200", Does: "Accepted, 200 without an id", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550202", Does: "Accepted, 202 without an id", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550002", Does: "No answer, not accepted", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550003", Does: "Accepted, no answer", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550004", Does: "Accepted, connection reset", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550005", Does: "Accepted, answer cut off", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550006", Does: "Kept open with 101", Answer: "500 MessageUnconfirmed"},
	}
}
