package api

import (
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
)

// withProfiles adds the profile login, for all callers, and payout, for the caller bank.
func withProfiles(f *fixture) {
	english, _ := codes.ParseTemplate("{code}")
	spanish, _ := codes.ParseTemplate("{code} es tu código")
	login := codes.Policy{
		Profile: "login", CodeLength: codeLength, Lifetime: 10 * time.Minute, Notice: 10 * time.Minute, Attempts: 5,
		Message:  english,
		Messages: map[codes.Locale]codes.Template{"es": spanish},
	}
	payout := login
	payout.Profile, payout.Callers = "payout", []string{"bank"}
	f.profiles = []codes.Policy{login, payout}
}

// TestUnknownProfile: on every route the refusal names the argument and its rule.
func TestUnknownProfile(t *testing.T) {
	a := newAPI(t, withProfiles)
	a.untouched(t, func() {
		for _, name := range []string{"signup", "Login", "login%20", "l"} {
			for _, c := range calls(name) {
				a.call(t, c).isUsage(t, 400, "profile must be a profile of this service")
			}
		}
	})
}
