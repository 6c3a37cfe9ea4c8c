package redisstore

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"

	"github.com/flowroute/sms-verification/codes"
)

// limitError returns the refusal by a window of a limit, given by their numbers.
func limitError(limits []codes.Limit, limit, window, wait int64) (*codes.LimitError, error) {
	if limit < 0 || limit >= int64(len(limits)) || window < 0 || window >= int64(len(limits[limit].Windows)) {
		return nil, errMalformed
	}
	l := limits[limit]
	return &codes.LimitError{Kind: l.Kind, Limit: l.Kind.Setting() + " " + l.Windows[window].Text, RetryAfter: wholeSeconds(wait)}, nil
}

// keyOf returns the key of the events that a limit counts.
func (s *Store) keyOf(l codes.Limit) string {
	switch l.Kind {
	case codes.SendLimit:
		return s.keys.sends(l.Subject)
	case codes.GuessLimit:
		return s.keys.guesses(l.Subject)
	case codes.CallerLimit:
		return s.keys.caller(l.Subject)
	case codes.ProfileLimit:
		return s.keys.profile(l.Subject)
	case codes.ClientLimit:
		return s.keys.client(l.Subject)
	case codes.ExchangeLimit, codes.AreaLimit, codes.AllLimit:
		messages, _ := s.keys.unverified(subjectOf(l))
		return messages
	}
	return s.keys.total()
}

// appendKeys appends the keys of what a limit counts.
func (s *Store) appendKeys(keys []string, l codes.Limit) []string {
	if !l.Kind.OfUnverified() {
		return append(keys, s.keyOf(l))
	}
	messages, verified := s.keys.unverified(subjectOf(l))
	return append(keys, messages, verified)
}

// appendLimit appends the keys of a limit and the arguments for its windows.
func (s *Store) appendLimit(keys []string, args []any, l codes.Limit) ([]string, []any) {
	unverified := l.Kind.OfUnverified()
	keys = s.appendKeys(keys, l)
	args = append(args, len(l.Windows))
	for _, w := range l.Windows {
		if args = append(args, w.Max, w.Span.Milliseconds()); unverified {
			args = append(args, w.Percent)
		}
	}
	return keys, args
}

// limitArgs appends the keys of a part's limits, and returns the limits as two arguments
// of the script reserve, those on unverified messages as the second.
func (s *Store) limitArgs(keys []string, p part) (_ []string, packed, packedUnverified []byte) {
	for n, l := range p.limits {
		mode := byte('1')
		switch {
		case p.dryRun || !l.Reserves():
			mode = '0'
		case l.Shadow:
			mode = 's'
		}
		if l.Kind.OfUnverified() {
			if packedUnverified == nil {
				packedUnverified = append(make([]byte, 0, 64), mode)
			}
			for window, w := range l.Windows {
				packedUnverified = append(packedUnverified, byte(n), unverifiedLetter(l.Kind), byte(window))
				packedUnverified = binary.BigEndian.AppendUint32(packedUnverified, uint32(min(w.Max, math.MaxUint32))) //nolint:gosec // Max is above 0
				packedUnverified = binary.BigEndian.AppendUint32(packedUnverified, uint32(w.Span.Milliseconds()))      //nolint:gosec // at most a day
				packedUnverified = binary.BigEndian.AppendUint16(packedUnverified, uint16(w.Percent))                  //nolint:gosec // at most 1000
			}
			continue
		}
		keys = append(keys, s.keyOf(l))
		if packed == nil {
			packed = make([]byte, 0, 48)
		}
		packed = append(packed, byte(n), storage(l)[0], mode, byte(len(l.Windows))) //nolint:gosec // at most codes.MaxWindows
		for _, w := range l.Windows {
			packed = appendNumber(appendNumber(packed, w.Max), w.Span.Milliseconds())
		}
	}
	if packedUnverified != nil && p.entry {
		keys = append(keys, s.keys.entered())
	}
	return keys, packed, packedUnverified
}

// unverifiedLetter returns the letter of a limit on unverified messages.
func unverifiedLetter(k codes.LimitKind) byte {
	switch k {
	case codes.ExchangeLimit:
		return 'e'
	case codes.AreaLimit:
		return 'c'
	}
	return 'a'
}

// logHead returns the head of a log that counts under windows; see lua/lib/log.lua.
func logHead(windows []codes.Window) []byte {
	head := appendNumber(make([]byte, 0, 8), codes.LongestSpan(windows).Milliseconds())
	return binary.BigEndian.AppendUint16(head, uint16(codes.LargestMax(windows))) //nolint:gosec // a log has fewer events
}

// appendNumber appends n, which is not negative, in 6 bytes; see packTime in
// lua/lib/base.lua.
func appendNumber(to []byte, n int64) []byte {
	to = binary.BigEndian.AppendUint16(to, uint16(n>>32)) //nolint:gosec // the upper bytes
	return binary.BigEndian.AppendUint32(to, uint32(n))   //nolint:gosec // the lower bytes
}

// storage returns how the events of a limit are stored: in a log, or in a set where
// those of many numbers would make a log too long.
func storage(l codes.Limit) string {
	if l.OfNumber() {
		return "log"
	}
	return "set"
}

// enteredArg returns the argument that makes a script count the codes that were entered
// before it checks limits on unverified messages. On a cluster it is empty, because each
// check counts its own code.
func (s *Store) enteredArg(limits []codes.Limit) any {
	if s.split.Load() || !slices.ContainsFunc(limits, func(l codes.Limit) bool { return l.Kind.OfUnverified() }) {
		return ""
	}
	return s.prefix
}

// subjectOf returns the exchange or area code whose unverified messages a limit
// counts, or everywhere.
func subjectOf(l codes.Limit) string {
	switch l.Kind {
	case codes.ExchangeLimit:
		return exchangeOf(l.Destination)
	case codes.AreaLimit:
		return areaCodeOf(l.Destination)
	}
	return everywhere
}

const everywhere = "all"

func exchangeOf(d codes.Destination) string {
	return base64.RawURLEncoding.EncodeToString(d.Exchange[:])
}
func areaCodeOf(d codes.Destination) string { return "1" + string(d.AreaCode[:]) }

// recipientArg returns a number as an entry stores it; empty for none.
func recipientArg(d codes.Digest) string {
	if d == (codes.Digest{}) {
		return ""
	}
	return d.String()
}

// destinationArg returns a destination as an entry stores it; empty for none.
func destinationArg(d codes.Destination) string {
	if d == (codes.Destination{}) {
		return ""
	}
	return exchangeOf(d) + string(d.AreaCode[:])
}

const destinationLen = 11

// destinationFrom parses a destination; blanks are none.
func destinationFrom(text string) (d codes.Destination, err error) {
	if text[0] == ' ' {
		return d, nil
	}
	copy(d.AreaCode[:], text[destinationLen-len(d.AreaCode):])
	if _, err = base64.RawURLEncoding.Decode(d.Exchange[:], []byte(text[:destinationLen-len(d.AreaCode)])); err != nil {
		return d, errMalformed
	}
	return d, nil
}
