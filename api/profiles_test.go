package api

import (
	"strings"
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

// onEachRoute calls every route for the auth_id a, with a profile unless it is empty.
func (a *testAPI) onEachRoute(t *testing.T, profile, code string, headers ...string) map[string]answer {
	t.Helper()
	member, argument := "", ""
	if profile != "" {
		member, argument = `,"profile":`+quote(profile), "&profile="+profile
	}
	return map[string]answer{
		"POST /":       a.do(t, "POST", "/", `{"auth_id":"a","recipient":"`+number+`"`+member+`}`, headers...),
		"POST /verify": a.do(t, "POST", "/verify", `{"auth_id":"a","code":"`+code+`"`+member+`}`, headers...),
		"GET /":        a.do(t, "GET", checkQuery("a", code)+argument, "", headers...),
		"GET /status":  a.do(t, "GET", "/status?auth_id=a"+argument, "", headers...),
		"DELETE /":     a.do(t, "DELETE", "/?auth_id=a"+argument, "", headers...),
	}
}

// TestUnknownProfile: on every route the refusal names the argument and its rule.
func TestUnknownProfile(t *testing.T) {
	a := newAPI(t, withProfiles)
	a.untouched(t, func() {
		for _, name := range []string{"signup", "Login", "login%20", "l"} {
			for _, got := range a.onEachRoute(t, name, "1") {
				got.isUsage(t, 400, "profile must be a profile of this service")
			}
		}
	})
}

// TestUnknownProfileNotInLog: the log never contains an unknown profile, even if the
// service did not get to check it.
func TestUnknownProfileNotInLog(t *testing.T) {
	a := newAPI(t, withProfiles, withService(func(any) error { return codes.ErrUnavailable }))
	for _, got := range a.onEachRoute(t, "canary", "1") {
		if got.status != 503 {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	if log := a.log.String(); strings.Contains(log, "canary") {
		t.Errorf("the log has what the caller wrote:\n%s", log)
	}
}
