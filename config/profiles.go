package config

import (
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// Profile is a named set of settings. What the operator does not set in it has
// the value of the setting of the same name.
type Profile struct {
	Name            string
	CodeLength      int
	CodeExpiration  time.Duration
	RetriesAllowed  int64
	OrgName         string
	AuthMessage     codes.Template
	Messages        map[codes.Locale]codes.Template // nil for AuthMessage alone
	Resend          string                          // new or same
	FlowrouteNumber codes.Phone
	SendLimitsTotal []codes.Window // of the profile, beside those of the service; each Text without the profile's name
	TwilioService   string         // SID of a Twilio Verify service; empty for none
	Callers         []string       // names from API_KEYS that may use it; nil for all
}
