package config

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// profilesIn loads profiles from config.yaml.
func profilesIn(t *testing.T, yaml string, more ...string) []Profile {
	t.Helper()
	return mustLoad(t, Source{Environ: environ(more...), Dir: dirWith(t, "config.yaml", yaml)}).Profiles
}

func rendered(m codes.Template) string { return string(m.Render("1", "O", time.Hour)) }

func TestProfileSetsEverySetting(t *testing.T) {
	all := profilesIn(t, `
profiles:
  login-2:
    code_length: 6
    code_expiration: 10m
    retries_allowed: 5
    org_name: "Shop"
    auth_message: "login {code}"
    messages:
      es: "es {code}"
      fr_ca: "fr {code}"
    resend: same
    flowroute_number: "12065550199"
    send_limits_total: [5/1h, 500/24h]
    twilio_service: VA0123456789abcdef0123456789ABCDEF
    callers: shop, bank
`, "API_KEYS=shop:"+hashOf("1")+",bank:"+hashOf("2"))
	if len(all) != 1 {
		t.Fatalf("%d profiles", len(all))
	}
	p := all[0]
	if p.Name != "login-2" || p.CodeLength != 6 || p.CodeExpiration != 10*time.Minute || p.RetriesAllowed != 5 || p.OrgName != "Shop" || !p.SameCode ||
		p.FlowrouteNumber != "12065550199" || p.TwilioService != "VA0123456789abcdef0123456789abcdef" {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(p.SendLimitsTotal, codestest.Windows(t, "5/1h", "500/24h")) || !slices.Equal(p.Callers, []string{"shop", "bank"}) {
		t.Errorf("limits %v, callers %v", p.SendLimitsTotal, p.Callers)
	}
	if rendered(p.AuthMessage) != "login 1" || len(p.Messages) != 2 || rendered(p.Messages["es"]) != "es 1" || rendered(p.Messages["fr-CA"]) != "fr 1" {
		t.Errorf("messages %v", p.Messages)
	}
}

// TestProfileInherits: a profile inherits what it does not set from the service,
// except SEND_LIMITS_TOTAL.
func TestProfileInherits(t *testing.T) {
	all := profilesIn(t, "code_length: 7\nprofiles:\n  login: {}\n  payout: {code_length: 8, send_limits_total: off}\n",
		"CODE_LENGTH=5", "CODE_EXPIRATION=60", "RETRIES_ALLOWED=9", "ORG_NAME=Shop", "AUTH_MESSAGE=my {code}", "RESEND=same", "SEND_LIMITS_TOTAL=9/1h")
	login := all[0]
	if login.CodeLength != 5 || login.CodeExpiration != time.Minute || login.RetriesAllowed != 9 || login.OrgName != "Shop" || rendered(login.AuthMessage) != "my 1" ||
		!login.SameCode || login.FlowrouteNumber != "12065550101" || login.Messages != nil || login.SendLimitsTotal != nil || login.TwilioService != "" || login.Callers != nil {
		t.Errorf("%+v", login)
	}
	if all[1].CodeLength != 8 || all[1].RetriesAllowed != 9 || all[1].SendLimitsTotal != nil {
		t.Errorf("%+v", all[1])
	}
}

// TestProfilesFromText: YAML or JSON, from the environment or a flag, replaces all
// profiles of the file.
func TestProfilesFromText(t *testing.T) {
	dir := dirWith(t, "config.yaml", "profiles: {login: {code_length: 6}, payout: {}}")
	const escaped = `{"signup": {"code_length": 8, "org_name": "A\/B \ud83d\ude00 \\ud83d"}}`
	for name, o := range map[string]Source{
		"YAML": {Environ: environ("PROFILES=signup:\n  code_length: 8\n  org_name: A/B 😀 \\ud83d\n"), Dir: dir},
		"JSON": {Environ: environ("PROFILES=" + escaped), Dir: dir},
		"flag": {Environ: environ("PROFILES=other: {}"), Dir: dir, Flags: flagsWith(t, "--profiles", escaped)},
		"set":  {Environ: environ("PROFILES=other: {}"), Dir: dir, Set: map[string]string{"PROFILES": escaped}},
	} {
		p := mustLoad(t, o).Profiles
		if len(p) != 1 || p[0].Name != "signup" || p[0].CodeLength != 8 || p[0].OrgName != `A/B 😀 \ud83d` {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := mustLoad(t, Source{Environ: environ("PROFILES="), Dir: dir}).Profiles; len(p) != 2 {
		t.Errorf("an empty variable must not override: %+v", p)
	}
	for name, o := range map[string]Source{
		"no profiles": {Environ: environ("PROFILES={}"), Dir: dir},
		"empty flag":  {Environ: environ(), Dir: dir, Flags: flagsWith(t, "--profiles", "")},
	} {
		if p := mustLoad(t, o).Profiles; len(p) != 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestProfileProblems: all problems at once, each with its path and line.
func TestProfileProblems(t *testing.T) {
	const yaml = `code_length: 4
profiles:
  login:
    code_length: 0
    code_expiration: 1.5s
    retries_allowed: many
    org_name: 42
    auth_message: Hello
    messages:
      es: "Hola"
      fr-CA: {code}
      xx: "{code}"
      "not a language": "{code}"
      und: "{code}"
      de: "{code}"
      DE: "{code}"
      it: 5
    resend: old
    flowroute_number: 12065550101
    send_limits_total: 5
    twilio_service: AC0123456789abcdef0123456789abcdef
    callers: [shop, nobody, nil]
    code_size: 6
    Org_Name: x
    send_limits: 1/1h
    retries_allowed: 2
  Login: {}
  login: {}
  empty:
  other:
    callers: []
    messages: text
    resend: [new]
    twilio_service: VA0123456789abcdef0123456789abcdef
  third:
    twilio_service: VA0123456789ABCDEF0123456789abcdef
    auth_message:
`
	got := problems(t, Source{Environ: environ("API_KEYS=shop:" + hashOf("1")), Dir: dirWith(t, "config.yaml", yaml)})
	want := []string{
		"profiles.login.code_length (config.yaml line 4): \"0\" is out of range; write 1 to 1000",
		"profiles.login.code_expiration (config.yaml line 5): \"1.5s\" is not a whole number of seconds",
		"profiles.login.retries_allowed (config.yaml line 6): \"many\" is not a whole number",
		"profiles.login.org_name (config.yaml line 7): is a YAML number; put it in quotes: \"42\"",
		"profiles.login.auth_message (config.yaml line 8): must contain the code",
		"profiles.login.messages.es (config.yaml line 10): must contain the code",
		"profiles.login.messages.fr-CA (config.yaml line 11): is a mapping; give one value, in quotes",
		"profiles.login.messages.xx (config.yaml line 12): is not a language; write a BCP 47 tag",
		"profiles.login.messages (config.yaml line 13): is not a language",
		"profiles.login.messages.und (config.yaml line 14): is not a language",
		"profiles.login.messages.DE (config.yaml line 16): repeats the language de",
		"profiles.login.messages.it (config.yaml line 17): is a YAML number",
		"profiles.login.resend (config.yaml line 18): \"old\" is unknown; write one of new, same",
		"profiles.login.flowroute_number (config.yaml line 19): is a YAML number",
		"profiles.login.send_limits_total (config.yaml line 20): ",
		"profiles.login.twilio_service (config.yaml line 21): is not the SID of a Twilio Verify service",
		"profiles.login.callers (config.yaml line 22): element 2 \"nobody\" is not a name in API_KEYS",
		"profiles.login.callers (config.yaml line 22): element 3 \"nil\" is not a name in API_KEYS",
		"profiles.login.code_size (config.yaml line 23): unknown key; correct or remove it",
		"profiles.login.org_name (config.yaml line 24): is given twice, first in line 7",
		"profiles.login.send_limits (config.yaml line 25): unknown key",
		"profiles.login.retries_allowed (config.yaml line 26): is given twice, first in line 6",
		"PROFILES (config.yaml line 27): has an invalid profile name; use 1 to 32 characters of a-z0-9-",
		"profiles.login (config.yaml line 28): is given twice",
		"profiles.empty (config.yaml line 29): is not a mapping; write settings below it",
		"profiles.other.callers (config.yaml line 31): is empty, so no caller could use the profile",
		"profiles.other.messages (config.yaml line 32): is not a mapping; write a language",
		"profiles.other.resend (config.yaml line 33): is a list; give one value",
		"profiles.third.twilio_service (config.yaml line 36): is also used by the profile other",
		"profiles.third.auth_message (config.yaml line 37): has no value",
	}
	for _, w := range want {
		if i := slices.IndexFunc(got, func(p string) bool { return strings.HasPrefix(p, w) }); i >= 0 {
			got = slices.Delete(got, i, i+1)
		} else {
			t.Errorf("no problem %q", w)
		}
	}
	if len(got) > 0 {
		t.Errorf("other problems: %q", got)
	}
}

// TestProblemsInText: problems in the text of a variable have their line there.
func TestProblemsInText(t *testing.T) {
	for text, want := range map[string]string{
		`{"login": {"CODE_LENGTH": 6}}`:          "profiles.login.code_length (environment): unknown key; write it in lower case: code_length",
		"login:\n  code_length: 0\n":             "profiles.login.code_length (environment line 2): ",
		"login:\n  auth_message: {code} is it\n": "PROFILES (environment line 2): is not valid YAML: auth_message starts with {",
		"a: {}\n---\nb: {}\n":                    "PROFILES (environment): contains several documents",
	} {
		wantOne(t, problems(t, Source{Environ: environ("PROFILES=" + text)}), want)
	}
}

// TestTestRecipientsFitProfiles: the error names a profile with shorter codes, not
// one that inherits the length.
func TestTestRecipientsFitProfiles(t *testing.T) {
	env := environ("CODE_LENGTH=6", "TEST_RECIPIENTS=15005550007=098765", "TEST_RECIPIENTS_UNTIL=2999-01-31", "PROFILES={a: {}, b: {code_length: 5}, c: {code_length: 4}}")
	wantOne(t, problems(t, Source{Environ: env}), "TEST_RECIPIENTS (environment): has a code of 5 digits", "profiles.c.code_length is 4")
}

// TestSampleProfileIsGood: the profile in the sample is valid.
func TestSampleProfileIsGood(t *testing.T) {
	_, example, _ := strings.Cut(sampleProfiles, "\n")
	p := profilesIn(t, regexp.MustCompile(`(?m)^# `).ReplaceAllString(example, ""), "API_KEYS=shop:"+hashOf("1"))
	if len(p) != 1 || p[0].Name != "login" || len(p[0].Messages) != 2 || p[0].TwilioService == "" {
		t.Fatalf("%+v", p)
	}
	for _, key := range append([]string{"MESSAGES", "TWILIO_SERVICE", "CALLERS"}, ofProfiles...) {
		if !strings.Contains(example, strings.ToLower(key)+":") {
			t.Errorf("the sample has no %s", key)
		}
	}
}
