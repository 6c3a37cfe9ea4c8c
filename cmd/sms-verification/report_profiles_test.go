package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/config"
)

// reportOf returns the report on profiles, beside recommended settings.
func reportOf(t *testing.T, profiles string, more ...string) *report {
	t.Helper()
	cfg, err := config.Load(config.Source{Environ: slices.Concat(complete("PROFILES="+profiles), more, recommended())})
	if err != nil {
		t.Fatal(err)
	}
	return newReport(cfg)
}

// TestReportShowsProfiles: the report has the odds of each profile, and each of its
// messages with its segments.
func TestReportShowsProfiles(t *testing.T) {
	r := reportOf(t, `{login: {code_length: 8, org_name: Shop, auth_message: "{code} {org}", messages: {es: "{code} código", fr: "{code} pour `+strings.Repeat("o", 160)+`"}}, payout: {}}`)
	var out bytes.Buffer
	if err := printReport(&out, r); err != nil {
		t.Fatal(err)
	}
	contains(t, "report", out.String(),
		"Profile login: 8 digit(s), 5 wrong codes per entry, at most 45 compared per number and day; chance of guessing a code in a day: 4.5e-07\n",
		"Profile login, message: 1 segment(s), ASCII; by the GSM standard 1, GSM-7\n", "49037162 Shop",
		"Profile login, message es: 1 segment(s), UCS-2; by the GSM standard 1, UCS-2\n", "49037162 código",
		"Profile login, message fr: 2 segment(s), ASCII", "49037162 pour",
		"Profile payout: 6 digit(s), 5 wrong codes per entry, at most 45 compared", "Profile payout, message: 1 segment(s)")
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestReportOfProfilesAsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := printJSON(&out, reportOf(t, `{"login": {"code_length": 8, "messages": {"fr-CA": "{code} à vous"}}, "payout": {}}`)); err != nil {
		t.Fatal(err)
	}
	type message struct {
		Text     string
		Segments int
	}
	type guessing struct {
		Digits int
		PerDay float64 `json:"wrong_codes_per_number_and_day"`
	}
	var got struct {
		Guessing guessing
		Profiles []struct {
			Name     string
			Message  message
			Messages map[string]message
			Guessing guessing
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Profiles) != 2 {
		t.Fatalf("%v: %s", err, &out)
	}
	login := got.Profiles[0]
	if login.Name != "login" || !strings.HasPrefix(login.Message.Text, "49037162\n") || login.Messages["fr-CA"] != (message{"49037162 à vous", 1}) || login.Guessing != (guessing{8, 45}) {
		t.Errorf("login: %+v", login)
	}
	if payout := got.Profiles[1]; payout.Name != "payout" || payout.Guessing != (guessing{6, 45}) || got.Guessing != (guessing{6, 45}) {
		t.Errorf("payout: %+v, in all: %+v", payout, got.Guessing)
	}
}

// TestOddsOfAllProfiles: the odds assume that an attacker uses the weakest of each
// setting.
func TestOddsOfAllProfiles(t *testing.T) {
	r := reportOf(t, `{short: {code_length: 3}, long: {code_expiration: 2h, code_length: 9}, many: {retries_allowed: 50}}`)
	alone := reportOf(t, `{}`, "CODE_LENGTH=3", "CODE_EXPIRATION=7200", "RETRIES_ALLOWED=50")
	if got, want := r.Guessing, alone.Guessing; got.Digits != 3 || got.WrongPerEntry != 50 || *got.WrongPerDay != *want.WrongPerDay || !slices.Equal(got.Odds, want.Odds) {
		t.Errorf("%v %v, want %v %v", got, got.Odds, want, want.Odds)
	}
	if short := r.Profiles[0].Guessing; *short.WrongPerDay != 45 || short.Odds[0].Probability < 0.04 {
		t.Errorf("short: %v %v", short, short.Odds)
	}
}

// TestWarningsOfProfiles: each warning names its setting, and an inherited setting has
// one warning.
func TestWarningsOfProfiles(t *testing.T) {
	for name, c := range map[string]struct {
		profiles string
		more     []string
		want     []string
	}{
		"template":       {`{a: {auth_message: "{{code}}"}}`, nil, []string{"profiles.a.auth_message: {{code}} goes out with braces"}},
		"message":        {`{a: {auth_message: "@shop.example #{code}"}}`, nil, []string{"profiles.a.auth_message: the line for phones is the whole message"}},
		"other language": {`{a: {messages: {fr-ca: "{code} {codes}", es: "{code}\\n"}}}`, nil, []string{`profiles.a.messages.es: \n is typed`, "profiles.a.messages.fr-CA: {codes} is no placeholder"}},
		"name":           {`{a: {org_name: "Shop "}}`, nil, []string{"profiles.a.org_name: white space"}},
		"weak":           {`{a: {code_length: 5, code_expiration: 601, retries_allowed: 101}}`, nil, []string{"set profiles.a.code_length to 6", "set profiles.a.code_expiration to 600", "set profiles.a.retries_allowed to 5"}},
		"inherited": {`{a: {}, b: {code_length: 7}}`, []string{`AUTH_MESSAGE={code}\n`, "ORG_NAME= Shop", "CODE_EXPIRATION=601", "RETRIES_ALLOWED=101"},
			[]string{"AUTH_MESSAGE: ", "ORG_NAME: ", "set CODE_EXPIRATION to 600", "set RETRIES_ALLOWED to 5"}},
		"inherited, with longer codes": {`{a: {code_length: 11}}`, []string{"AUTH_MESSAGE={code} is it\n@shop.example #{code}"},
			[]string{"profiles.a.auth_message: WebOTP takes codes of 4 to 10 characters only"}},
		"its own, stronger": {`{a: {code_length: 6, code_expiration: 60}}`, []string{"CODE_LENGTH=5", "CODE_EXPIRATION=700"}, []string{"set CODE_LENGTH to 6", "set CODE_EXPIRATION to 600"}},
	} {
		got := reportOf(t, c.profiles, c.more...).Warnings
		if len(got) != len(c.want) {
			t.Errorf("%s: %d warnings, want %d: %q", name, len(got), len(c.want), got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], c.want[i])
			}
		}
	}
}
