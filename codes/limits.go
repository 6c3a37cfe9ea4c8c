package codes

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window allows at most Max events in any time of length Span.
type Window struct {
	Max  int64         // at least 1
	Span time.Duration // whole milliseconds, at least 1s
	Text string        // as it was written, such as "5/10m"

	// Percent is a share of the codes verified in the last 24 hours. A limit on
	// unverified messages allows so many events more.
	Percent int64
}

// Bounds of a [Window]. The store logs up to Max events of a limit, so the bound
// keeps the log of the whole service within some 100 MB.
const (
	MaxWindowCount = 1_000_000
	MaxWindowSpan  = 366 * 24 * time.Hour
	MaxWindows     = 100 // of one limit
)

// errTooMany refuses more limits than MaxWindows.
var errTooMany = fmt.Errorf("too many limits: write at most %d", MaxWindows)

// ParseWindows parses limits such as "5/10m", each a number of events and a Go
// duration. The single element "off" means no limit.
func ParseWindows(list []string) ([]Window, error) {
	if len(list) == 1 && strings.TrimSpace(list[0]) == "off" {
		return nil, nil
	}
	if len(list) > MaxWindows {
		return nil, errTooMany
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

// ParseCallerWindows parses the limits of callers, such as "shop:1000/24h", by
// name. The name "*" stands for each caller that has no limits of its own. The
// single element "off" means no limits.
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
		if callers[name] = append(callers[name], windows...); len(callers[name]) > MaxWindows {
			return nil, errTooMany
		}
	}
	return callers, nil
}

// Limits are the limits of a [Policy] on messages and guesses, over all replicas
// together.
type Limits struct {
	Sends   []Window            // messages per recipient
	Guesses []Window            // wrong codes per recipient; once reached, no new code is made
	Total   []Window            // messages of the whole service
	Clients []Window            // messages of a caller for one client
	Profile []Window            // messages of the policy's profile, each Text with its name: "payout:2/24h"
	Callers map[string][]Window // messages of a caller, by name; AnyCaller for those without limits of their own

	Unverified Unverified // the same in every profile
	Pace       Pace
	Refunds    bool // a rejected message stops counting under Sends; see Reservations.Refund
}

// Pace is how fast the carrier accepts messages.
type Pace struct {
	Rate    int           // messages in any second; 0 is no limit
	MaxWait time.Duration // how long a request may wait, for its turn and for the carrier

	// Fair shares the future turns, of which Rate * MaxWait can be reserved, among
	// the callers. Each may hold an equal part of them, divided by the callers that
	// asked within the last MaxWait and one newcomer. Any caller may use a turn that
	// is due at once.
	Fair bool
}

// Ahead returns how many future turns can be reserved.
func (p Pace) Ahead() int64 { return int64(float64(p.Rate) * p.MaxWait.Seconds()) }

// AnyCaller names the limits of each caller that has none of its own.
const AnyCaller = "*"

// ofCaller returns the windows that apply to a caller.
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
	AreaLimit                      // unverified messages to an area code
	AllLimit                       // all unverified messages
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
	Subject Digest   // whose events count: those of the recipient, caller, client or profile; zero for the whole service
	Windows []Window // at least one

	Destination Destination // whose unverified messages count, under an ExchangeLimit or an AreaLimit
	Shadow      bool        // it counts, but refuses nothing
}

// Reserves reports whether a create counts under l. A GuessLimit must have room
// too, but counts wrong codes.
func (l Limit) Reserves() bool { return l.Kind != GuessLimit }

// OfUnverified reports whether a limit counts messages whose code is not entered.
func (k LimitKind) OfUnverified() bool { return k >= ExchangeLimit }

// OfNumber reports whether l counts the events of one recipient. The other limits
// count those of many.
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
