package codes

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unverified are the limits on messages whose code is not entered. A message counts
// from its send until its code is verified, the message is released or refunded, or
// the span is over.
type Unverified struct {
	Mode     UnverifiedMode
	Exchange []Window // messages to an exchange, the first seven digits of a number
	Area     []Window // to an area code
	All      []Window
}

// UnverifiedMode says what is done with a message that exceeds a limit.
type UnverifiedMode int

// The modes.
const (
	UnverifiedOff     UnverifiedMode = iota // nothing is counted
	UnverifiedShadow                        // it is sent, and reported
	UnverifiedEnforce                       // it is refused
)

// String returns the mode as UNVERIFIED_MODE has it.
func (m UnverifiedMode) String() string {
	return [...]string{UnverifiedOff: "off", UnverifiedShadow: "shadow", UnverifiedEnforce: "enforce"}[m]
}

// MaxUnverifiedSpan is the longest span of a window of [Unverified].
const MaxUnverifiedSpan = 24 * time.Hour

// ParseUnverified parses limits such as "exchange:20/1h" and "area:100/1h+50%". The
// percentage is that of Window.Percent.
func ParseUnverified(list []string) (u Unverified, err error) {
	if len(list) > MaxWindows {
		return Unverified{}, errTooMany
	}
	for _, item := range list {
		text := strings.TrimSpace(item)
		kind, limit, _ := strings.Cut(text, ":")
		windows := map[string]*[]Window{"exchange": &u.Exchange, "area": &u.Area, "all": &u.All}[kind]
		limit, share, shared := strings.Cut(limit, "+")
		percent, errShare := int64(0), error(nil)
		if shared {
			digits, isPercent := strings.CutSuffix(share, "%")
			if percent, errShare = strconv.ParseInt(digits, 10, 64); !isPercent || percent < 1 || percent > 1000 {
				errShare = strconv.ErrRange
			}
		}
		w, errWindow := ParseWindows([]string{limit})
		if windows == nil || errShare != nil || errWindow != nil || len(w) == 0 {
			return Unverified{}, fmt.Errorf(`%q is not a limit: write exchange, area or all and a limit such as "exchange:20/1h" or "area:100/1h+50%%"`, item)
		}
		if w[0].Span > MaxUnverifiedSpan {
			return Unverified{}, fmt.Errorf("%q is out of range: the span is at most 24h", item)
		}
		w[0].Percent, w[0].Text = percent, text
		*windows = append(*windows, w[0])
	}
	return u, nil
}

// Exchange returns the first seven digits of the number.
func (p Phone) Exchange() string { return string(p[:7]) }

// Destination is where unverified messages to a number are counted: the digest of
// its exchange, and its area code. The zero Destination is not counted.
type Destination struct {
	Exchange [6]byte
	AreaCode [3]byte // without the 1
}

// Destination returns the destination of a number.
func (h *Hasher) Destination(p Phone) (d Destination) {
	exchange := h.digest('e', p.Exchange())
	copy(d.Exchange[:], exchange[:])
	copy(d.AreaCode[:], p[1:4])
	return d
}

// Limits returns the limits that apply to a destination.
func (u *Unverified) Limits(d Destination) []Limit {
	if u.Mode == UnverifiedOff {
		return nil
	}
	all := make([]Limit, 0, 3)
	add := func(kind LimitKind, windows []Window) {
		if len(windows) > 0 {
			all = append(all, Limit{Kind: kind, Destination: d, Windows: windows, Shadow: u.Mode == UnverifiedShadow})
		}
	}
	add(ExchangeLimit, u.Exchange)
	add(AreaLimit, u.Area)
	add(AllLimit, u.All)
	return all
}
