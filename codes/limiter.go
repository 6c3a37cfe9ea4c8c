package codes

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window is one limit: in any span of that length at most Max.
type Window struct {
	Max  int64         // at least 1
	Span time.Duration // whole milliseconds, at least 1s
	Text string        // as it was written, such as "5/10m"
}

// Bounds of a [Window]. The log of a limit holds up to Max places, so the
// bound keeps the one of the whole service within some 100 MB of the store.
const (
	MaxWindowCount = 1_000_000
	MaxWindowSpan  = 366 * 24 * time.Hour
)

// ParseWindows reads limits such as "5/10m", each a number of events and a Go
// duration; the only element "off" means no limit.
func ParseWindows(list []string) ([]Window, error) {
	if len(list) == 1 && strings.TrimSpace(list[0]) == "off" {
		return nil, nil
	}
	windows := make([]Window, 0, len(list))
	for _, item := range list {
		text := strings.TrimSpace(item)
		count, span, found := strings.Cut(text, "/")
		n, errN := strconv.ParseInt(count, 10, 64)
		d, errD := time.ParseDuration(span)
		if !found || errN != nil || errD != nil {
			return nil, fmt.Errorf(`%q is not a limit: write a number and a duration such as "5/10m", or "off"`, item)
		}
		if n < 1 || n > MaxWindowCount || d < time.Second || d > MaxWindowSpan || d%time.Millisecond != 0 {
			return nil, fmt.Errorf("%q is out of range: 1 to %d in 1s to %dh, whole milliseconds", item, MaxWindowCount, int(MaxWindowSpan.Hours()))
		}
		windows = append(windows, Window{Max: n, Span: d, Text: text})
	}
	return windows, nil
}

// Limits are the rules that a [Limiter] keeps, over all replicas together.
type Limits struct {
	Sends   []Window      // SMS per recipient
	Guesses []Window      // wrong codes per recipient: reached, no new code is made
	Total   []Window      // SMS of the whole service
	Rate    int           // SMS in any second; 0 is no limit
	MaxWait time.Duration // how long a request may wait for its turn under Rate
	Returns bool          // receipts may give places under Sends back; see Place.Paid
}

// Place is one request's place in the limits.
type Place struct {
	Recipient Digest
	Op        Op   // tells this request's place from others
	Paid      bool // the carrier took the message: when given back, its place under Total stays
	Unsent    bool // no SMS will go out: Total and Rate are left alone
}

// Limiter keeps [Limits], for any number of replicas at once. What it counts
// it counts at most once per Op. A limit that cannot be read lets nothing
// through: the error is ErrUnavailable.
type Limiter interface {
	// Take takes a place for one SMS under every limit, or under none, and
	// returns how long to wait for the turn to send. It MUST NOT let pass more
	// than each limit says, whatever the number of parallel calls. A reached
	// limit is a *LimitError; a turn further off than MaxWait is an
	// *UnavailableError.
	Take(ctx context.Context, p Place) (wait time.Duration, err error)

	// Return gives back the place of a message that was certainly not sent, or,
	// if it is Paid, was rejected on its way. The turn under Rate stays taken:
	// the carrier may have counted the attempt. Of one recipient's Paid places
	// it MUST give back no more in any span than Sends allow messages: else a
	// phone that rejects everything would be sent to without end.
	Return(ctx context.Context, p Place) error

	// CountWrong counts one wrong code for p.Recipient.
	CountWrong(ctx context.Context, p Place) error
}
