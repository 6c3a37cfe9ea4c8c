package app

import (
	"context"
	"slices"
	"time"

	"github.com/flowroute/sms-verification/api"
	"github.com/flowroute/sms-verification/api/tryit"
	"github.com/flowroute/sms-verification/codes"
)

// Numbers that act out, in debug mode, what takes patience to see otherwise.
// What Flowroute can do, the simulator acts out.
const (
	LimitedNumber codes.Phone = "15005550090" // a limit is reached
	ExpiredNumber codes.Phone = "15005550091" // the code has expired when the answer comes
)

// acting is the service of debug mode, with those numbers.
type acting struct {
	api.Service
	brief *codes.Service // over the same store; its codes live for a second
}

// newActing returns s with those numbers; s was made from o.
func newActing(s *codes.Service, o codes.Options) acting {
	o.Policy.Lifetime = time.Second
	o.Profiles = slices.Clone(o.Profiles)
	for i := range o.Profiles {
		o.Profiles[i].Lifetime = time.Second
	}
	return acting{Service: s, brief: codes.NewService(o)}
}

// Create makes a code, or acts out what its recipient stands for.
func (a acting) Create(ctx context.Context, r codes.CreateRequest) (codes.Created, error) {
	switch r.Recipient {
	case LimitedNumber:
		return codes.Created{}, &codes.LimitError{Limit: "SEND_LIMITS 1/1m", RetryAfter: time.Minute}
	case ExpiredNumber:
		created, err := a.brief.Create(ctx, r)
		if err == nil {
			time.Sleep(created.Lifetime)
		}
		return created, err
	}
	return a.Service.Create(ctx, r)
}

// NumbersToTry returns all of them, with those of the simulator.
func NumbersToTry() []tryit.Number {
	return []tryit.Number{
		{Phone: "12065550142", Does: "Takes every message", Answer: "200"},
		{Phone: string(LimitedNumber), Does: "Had too many messages", Answer: "429 RateLimited"},
		{Phone: string(ExpiredNumber), Does: "Its code has expired", Answer: "200"},
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
		{Phone: "15005550200", Does: "Taken, 200 without an id", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550202", Does: "Taken, 202 without an id", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550002", Does: "Never answered, not taken", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550003", Does: "Taken, never answered", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550004", Does: "Taken, connection reset", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550005", Does: "Taken, answer cut off", Answer: "500 MessageUnconfirmed"},
		{Phone: "15005550006", Does: "Kept open with 101", Answer: "500 MessageUnconfirmed"},
	}
}
