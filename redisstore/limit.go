package redisstore

import (
	"encoding/base64"
	"slices"

	"github.com/flowroute/sms-verification/codes"
)

func limitError(limits []codes.Limit, limit, window, wait int64) (*codes.LimitError, error) {
	if limit < 0 || limit >= int64(len(limits)) || window < 0 || window >= int64(len(limits[limit].Windows)) {
		return nil, errMalformed
	}
	l := limits[limit]
	return &codes.LimitError{Kind: l.Kind, Limit: l.Kind.Setting() + " " + l.Windows[window].Text, RetryAfter: wholeSeconds(wait)}, nil
}

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
		return s.keys.standing(subjectOf(l))
	}
	return s.keys.total()
}

// storage returns how the events of a limit are kept: those of more than one
// number are too many for a log.
func storage(l codes.Limit) string {
	switch {
	case l.OfNumber():
		return "log"
	case l.Kind.OfUnverified():
		return "unverified"
	}
	return "set"
}

// takes says for the script whether a place is taken under a limit.
func takes(l codes.Limit, dry bool) string {
	switch {
	case dry || !l.Reserves():
		return "0"
	case l.Shadow:
		return "s"
	}
	return "1"
}

// enteredArg makes the script count the codes that were entered, before it looks at
// limits on unverified messages. Where keys of several slots cannot be in one
// script, each check has counted its own.
func (s *Store) enteredArg(limits []codes.Limit) string {
	if s.split.Load() || !slices.ContainsFunc(limits, func(l codes.Limit) bool { return l.Kind.OfUnverified() }) {
		return ""
	}
	return s.keys.prefix
}

// subjectOf names whose unverified messages a limit counts.
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

// destinationArg is a destination as an entry holds it; empty for none.
func destinationArg(d codes.Destination) string {
	if d == (codes.Destination{}) {
		return ""
	}
	return exchangeOf(d) + string(d.AreaCode[:])
}

const destinationLen = 11

// destinationFrom reads a destination; blanks are none.
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
