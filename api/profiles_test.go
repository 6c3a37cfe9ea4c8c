package api

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowroute/sms-verification/codes"
)

// withProfiles gives the service the profile login, which every caller may use,
// and payout, which nobody but the caller bank may.
func withProfiles(f *fixture) {
	template := func(text string) codes.Template {
		parsed, err := codes.ParseTemplate(text)
		if err != nil {
			panic(err)
		}
		return parsed
	}
	login := codes.Policy{
		Profile: "login", CodeLength: codeLength, Lifetime: 10 * time.Minute, Notice: 10 * time.Minute, Attempts: 5,
		Message:  template("{code}"),
		Messages: map[codes.Locale]codes.Template{"es": template("{code} es tu código")},
	}
	payout := login
	payout.Profile, payout.Callers = "payout", []string{"bank"}
	f.profiles = []codes.Policy{login, payout}
}

// onEachRoute calls every route that takes a profile for the auth_id a.
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

// loginBody asks for a code under the profile login, with more members.
func loginBody(more string) string {
	return `{"auth_id":"a","recipient":"` + number + `","profile":"login"` + more + `}`
}

// TestProfileRequests: each route asks the service for the profile of the
// request, and a create for its locale in canonical form.
func TestProfileRequests(t *testing.T) {
	var got asked
	a := newAPI(t, func(f *fixture) { f.Service = &got })
	a.do(t, "POST", "/", loginBody(`,"locale":"ES-mx"`))
	a.do(t, "GET", checkQuery("a", "1")+"&profile=login", "")
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1","profile":"login"}`)
	a.do(t, "DELETE", "/?auth_id=a&profile=login", "")
	a.do(t, "GET", "/status?auth_id=a&profile=login", "")
	want := asked{
		codes.CreateRequest{ID: "a", Recipient: number, Profile: "login", Locale: "es-MX"},
		codes.CheckRequest{ID: "a", Code: "1", Profile: "login"},
		codes.CheckRequest{ID: "a", Code: "1", Profile: "login"},
		codes.CancelRequest{ID: "a", Profile: "login"},
		codes.StatusRequest{ID: "a", Profile: "login"},
	}
	arrived := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Arrived" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, arrived); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestProfileIDsApart: an auth_id under a profile is another entry than the
// same auth_id without one, on every route.
func TestProfileIDsApart(t *testing.T) {
	a := newAPI(t, withProfiles)
	a.do(t, "POST", "/", loginBody("")).is(t, 200,
		`{"message":"Success: Verification code created.","auth_id":"a","expires_in":600,"attempts_left":5,"resend_after":0}`)
	code := a.lastCode(t)
	a.do(t, "GET", "/status?auth_id=a", "").is(t, 400, unknown)
	for route, got := range a.onEachRoute(t, "", code) {
		if strings.Contains(got.text, "authenticated") {
			t.Errorf("%s: the code of a profile is right without it: %s", route, got.text)
		}
	}
	a.do(t, "GET", "/status?auth_id=a&profile=login", "").is(t, 200, `{"auth_id":"a","state":"sent","attempts_left":5,"expires_in":600}`)
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"`+wrong(code)+`","profile":"login"}`).is(t, 400, wrongLeft(4))
	a.do(t, "GET", checkQuery("a", code)+"&profile=login", "").is(t, 200, verified("a"))
}

// TestProfileCancel: a cancel with the profile drops the entry of that profile.
func TestProfileCancel(t *testing.T) {
	a := newAPI(t, withProfiles)
	a.do(t, "POST", "/", loginBody(""))
	a.do(t, "DELETE", "/?auth_id=a&profile=login", "")
	a.do(t, "GET", "/status?auth_id=a&profile=login", "").is(t, 400, unknown)
}

// TestProfileNotAllowed: every route refuses a caller who may not use the
// profile, before anything is read, stored or sent.
func TestProfileNotAllowed(t *testing.T) {
	a := newAPI(t, withKey, withProfiles)
	a.untouched(t, func() {
		for route, got := range a.onEachRoute(t, "payout", "1", "Authorization", "Bearer secret") {
			if got.status != 403 || got.reason() != string(ProfileNotAllowed) {
				t.Errorf("%s: %d %s", route, got.status, got.text)
			}
		}
	})
}

// TestUnknownProfile: every route names the argument and its rule.
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

// TestProfileArgument: a profile must be a text, be given once and not be empty.
func TestProfileArgument(t *testing.T) {
	a := newAPI(t, withProfiles)
	a.untouched(t, func() {
		for literal, rule := range map[string]string{
			`""`: "profile must not be empty", `null`: "profile must be", `["login"]`: "profile must be", `true`: "profile must be",
		} {
			a.do(t, "POST", "/", `{"auth_id":"a","recipient":"`+number+`","profile":`+literal+`}`).isUsage(t, 400, rule)
			a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1","profile":`+literal+`}`).isUsage(t, 400, rule)
		}
		for query, rule := range map[string]string{
			"profile=": "profile must not be empty", "profile": "profile must not be empty",
			"profile=login&profile=login": "profile must be given once", "profile=%FF": "profile must be valid UTF-8",
		} {
			a.do(t, "GET", checkQuery("a", "1")+"&"+query, "").isUsage(t, 400, rule)
			a.do(t, "GET", "/status?auth_id=a&"+query, "").isUsage(t, 400, rule)
			a.do(t, "DELETE", "/?auth_id=a&"+query, "").isUsage(t, 400, rule)
		}
	})
}

// TestLocaleArgument: a locale must be a BCP 47 tag, with a profile or without.
func TestLocaleArgument(t *testing.T) {
	a := newAPI(t, withProfiles)
	a.untouched(t, func() {
		for literal, rule := range map[string]string{
			`""`: "locale must not be empty", `null`: "locale must be", `42`: "locale must be a BCP 47 language tag, such as es-MX",
			`"spanish please"`: "locale must be a BCP 47 language tag, such as es-MX", `"e"`: "locale must be a BCP 47",
		} {
			a.do(t, "POST", "/", loginBody(`,"locale":`+literal)).isUsage(t, 400, rule)
			a.do(t, "POST", "/", `{"auth_id":"a","recipient":"`+number+`","locale":`+literal+`}`).isUsage(t, 400, rule)
		}
	})
}

// TestLocale picks the text of the message.
func TestLocale(t *testing.T) {
	a := newAPI(t, withProfiles)
	for more, spanish := range map[string]bool{"": false, `,"locale":"es-MX"`: true, `,"locale":"fr"`: false} {
		if got := a.do(t, "POST", "/", loginBody(more)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.text)
		}
		if text := a.lastCode(t); strings.HasSuffix(text, " es tu código") != spanish {
			t.Errorf("%s: a message of another language", more)
		}
	}
}

// TestKeyStandsForProfileAndLocale: the same Idempotency-Key with another
// profile or locale is another request.
func TestKeyStandsForProfileAndLocale(t *testing.T) {
	key := []string{"Idempotency-Key", "k", "Authorization", "Bearer Bearer x"}
	a := newAPI(t, threeKeys, withProfiles, func(f *fixture) { f.profiles[1].Callers = nil })
	first := a.do(t, "POST", "/", loginBody(`,"locale":"es"`), key...)
	if first.status != 200 {
		t.Fatalf("%d %s", first.status, first.text)
	}
	for _, body := range []string{createBody("a"), loginBody(""), loginBody(`,"locale":"fr"`),
		`{"auth_id":"a","recipient":"` + number + `","profile":"payout","locale":"es"}`} {
		a.do(t, "POST", "/", body, key...).is(t, 422, reused)
	}
	a.do(t, "POST", "/", loginBody(`,"locale":"ES"`), key...).is(t, 200, first.text)
	a.sent(t, 1)
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1","profile":"login"}`, key...).is(t, 400, wrongLeft(4))
	a.do(t, "POST", "/verify", `{"auth_id":"a","code":"1","profile":"payout"}`, key...).is(t, 422, reused)
	a.do(t, "GET", checkQuery("a", "1")+"&profile=login", "", key...).is(t, 400, wrongLeft(3))
	a.do(t, "GET", checkQuery("a", "1"), "", key...).is(t, 422, reused)
}

// TestProfileInLog: the log names a profile that the service has, also one that
// the caller may not use.
func TestProfileInLog(t *testing.T) {
	a := newAPI(t, withKey, withProfiles)
	headers := []string{"Authorization", "Bearer secret", "X-Request-Id", "r1"}
	for profile, want := range map[string]string{
		"login":  `{"level":"INFO","msg":"request","route":"GET /status","status":400,"request_id":"r1","caller":"shop","profile":"login","reason":"UnknownAuthId"}`,
		"payout": `{"level":"INFO","msg":"request","route":"GET /status","status":403,"request_id":"r1","caller":"shop","profile":"payout","reason":"ProfileNotAllowed"}`,
		"other":  `{"level":"INFO","msg":"request","route":"GET /status","status":400,"request_id":"r1","caller":"shop","reason":"InvalidAPIUsage"}`,
	} {
		before := len(a.log.String())
		a.do(t, "GET", "/status?auth_id=a&profile="+profile, "", headers...)
		logged(t, a.log.String()[before:], want)
	}
}

// TestUnknownProfileNotInLog: the log does not repeat what the caller wrote, also
// if the request is refused before its profile is checked.
func TestUnknownProfileNotInLog(t *testing.T) {
	a := newAPI(t, withProfiles, withService(func() error { return codes.ErrUnavailable }))
	for _, got := range a.onEachRoute(t, "canary", "1") {
		if got.status != 503 {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	if log := a.log.String(); strings.Contains(log, "canary") {
		t.Errorf("the log has what the caller wrote:\n%s", log)
	}
}
