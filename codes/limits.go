package codes

import (
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

	// Percent of the codes verified in the last 24 hours are allowed besides, in a
	// limit on unverified messages.
	Percent int64
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

// ParseCallerWindows reads the limits of callers, such as "shop:1000/24h", by their
// names. The name "*" is each caller that has no limits of its own; the only
// element "off" means no limits.
func ParseCallerWindows(list []string) (map[string][]Window, error) {
	if len(list) == 1 && strings.TrimSpace(list[0]) == "off" {
		return nil, nil
	}
	callers := map[string][]Window{}
	for _, item := range list {
		name, limit, found := strings.Cut(strings.TrimSpace(item), ":")
		if !found || name == "" || strings.TrimSpace(limit) == "off" {
			return nil, fmt.Errorf(`%q is not a caller and a limit: write a name and a limit such as "shop:1000/24h", "*:200/24h" for each of the others, or "off"`, item)
		}
		windows, err := ParseWindows([]string{limit})
		if err != nil {
			return nil, err
		}
		callers[name] = append(callers[name], windows...)
	}
	return callers, nil
}

// Limits are the rules of a [Policy] about numbers of messages and guesses,
// over all replicas together.
type Limits struct {
	Sends   []Window            // messages per recipient
	Guesses []Window            // wrong codes per recipient: reached, no new code is made
	Total   []Window            // messages of the whole service
	Clients []Window            // messages of a caller for one client
	Profile []Window            // messages of the policy's profile, each Text with its name: "payout:2/24h"
	Callers map[string][]Window // messages of a caller; "*" of each one that is not named

	Unverified Unverified // the same in every profile
	Pace       Pace
	Refunds    bool // a receipt may free a place under Sends; see Reservations.Refund
}

// Pace is how fast the carrier takes messages.
type Pace struct {
	Rate    int           // messages in any second; 0 is no limit
	MaxWait time.Duration // how long a request may wait, for its turn and for the carrier

	// Fair shares the turns that lie ahead among the callers: each may hold an
	// equal part of the Rate * MaxWait that can be given out, divided by the
	// callers that asked within the last MaxWait and one newcomer. Turns that are
	// due at once belong to whoever asks.
	Fair bool
}

// Ahead returns how many turns can be given out ahead.
func (p Pace) Ahead() int64 { return int64(float64(p.Rate) * p.MaxWait.Seconds()) }

// AnyCaller names the limits of each caller that has none of its own.
const AnyCaller = "*"

// ofCaller returns the windows that hold for a caller.
func (l *Limits) ofCaller(name string) []Window {
	if windows, named := l.Callers[name]; named {
		return windows
	}
	return l.Callers[AnyCaller]
}

// LimitKind says what a [Limit] counts.
type LimitKind int

// The kinds of limits.
const (
	SendLimit     LimitKind = iota // messages to a recipient
	GuessLimit                     // wrong codes of a recipient
	TotalLimit                     // messages of the service
	CallerLimit                    // messages of a caller
	ProfileLimit                   // messages of a profile
	ClientLimit                    // messages of a caller for a client
	ExchangeLimit                  // unverified messages to an exchange
	AreaLimit                      // to an area code
	AllLimit                       // to all
)

// Setting returns the setting that the limit comes from.
func (k LimitKind) Setting() string {
	return [...]string{
		SendLimit: "SEND_LIMITS", GuessLimit: "GUESS_LIMITS", TotalLimit: "SEND_LIMITS_TOTAL", CallerLimit: "CALLER_LIMITS",
		ProfileLimit: "SEND_LIMITS_TOTAL", ExchangeLimit: "UNVERIFIED_LIMITS", AreaLimit: "UNVERIFIED_LIMITS", AllLimit: "UNVERIFIED_LIMITS",
		ClientLimit: "CLIENT_LIMITS",
	}[k]
}

// Limit is one limit as it applies to a request: every window must have room.
type Limit struct {
	Kind    LimitKind
	Subject Digest   // whose events count: the recipient's, the caller's, the client's or the profile's; zero for the whole service
	Windows []Window // at least one

	Destination Destination // whose unverified messages count, under an ExchangeLimit or an AreaLimit
	Shadow      bool        // it refuses nothing
}

// Reserves reports whether a create takes a place under l. Under the others it
// must find room only: they count something else.
func (l Limit) Reserves() bool { return l.Kind != GuessLimit }

// OfUnverified reports whether a limit counts messages whose code is not entered.
func (k LimitKind) OfUnverified() bool { return k >= ExchangeLimit }

// OfNumber reports whether l counts events of a recipient. The others count
// those of many.
func (l Limit) OfNumber() bool { return l.Kind == SendLimit || l.Kind == GuessLimit }

// LargestMax returns the largest number of the windows, 0 if there are none.
func LargestMax(windows []Window) (largest int64) {
	for _, w := range windows {
		largest = max(largest, w.Max)
	}
	return largest
}

// LongestSpan returns the longest span of the windows, 0 if there are none.
func LongestSpan(windows []Window) (longest time.Duration) {
	for _, w := range windows {
		longest = max(longest, w.Span)
	}
	return longest
}
