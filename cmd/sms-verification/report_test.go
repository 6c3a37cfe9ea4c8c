package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
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

// TestReport: the report has the odds of each profile, and each of its messages with its
// segments. It bounds the spend in all, of each profile with a cap and of each caller
// with a limit, by the longest message that it can send.
func TestReport(t *testing.T) {
	spendProfiles := `{payout: {send_limits_total: "10/24h", messages: {es: "{code} ` + strings.Repeat("o", 200) + `"}},
		letter: {callers: [bank], auth_message: "{code} ` + strings.Repeat("o", 400) + `"}}`
	spend := []string{"FLOWROUTE_RATE=5", "SEND_LIMITS_TOTAL=1000/24h", "CALLER_LIMITS=shop:30/24h,*:20/24h", keysOf("shop", "bank")}
	for name, c := range map[string]struct {
		profiles   string
		settings   []string
		want, lack []string
	}{
		"recommended": {
			"{}", nil,
			[]string{
				"Settings: fine", "Message: 1 segment(s), ASCII", "6 digit(s), 5 wrong codes per entry, at most 45 compared",
				"      1 number(s): 4.5e-05\n", "   1000 number(s): 0.044\n", "  10000 number(s): 0.36\n", " 100000 number(s): 0.99\n",
			},
			[]string{"Warning", "Profile"},
		},
		"weakest": {
			"{}", []string{"RETRIES_ALLOWED=101", "GUESS_LIMITS=off", "SEND_LIMITS=off"},
			[]string{"any number compared per number and day", "1 number(s): 1\n", "at most 100 failures", "set GUESS_LIMITS", "SEND_LIMITS is off"}, nil,
		},
		"long and not ASCII": {"{}", []string{"ORG_NAME=Café " + strings.Repeat("o", 60)}, []string{"Message: 2 segment(s), UCS-2"}, nil},
		"long ASCII":         {"{}", []string{"ORG_NAME=" + strings.Repeat("o", 300)}, []string{"Message: 3 segment(s), ASCII"}, nil},
		"typographic": {
			"{}", []string{"AUTH_MESSAGE=Don’t share {code}" + strings.Repeat(".", 60)},
			[]string{"│ SMS to +1XXXXXXXXXX ", "│ 490371.", "Message: 2 segment(s), UCS-2; by the GSM standard 2, UCS-2", "Warning: AUTH_MESSAGE: the message takes 2 segments because of ’ (U+2019)"}, nil,
		},
		"profiles": {
			`{login: {code_length: 8, org_name: Shop, auth_message: "{code} {org}", messages: {es: "{code} código", fr: "{code} pour ` + strings.Repeat("o", 160) + `"}}, payout: {}}`, nil,
			[]string{
				"Profile login: 8 digit(s), 5 wrong codes per entry, at most 45 compared per number and day; chance of guessing a code in a day: 4.5e-07\n",
				"Profile login, message: 1 segment(s), ASCII; by the GSM standard 1, GSM-7\n", "49037162 Shop",
				"Profile login, message es: 1 segment(s), UCS-2; by the GSM standard 1, UCS-2\n", "49037162 código",
				"Profile login, message fr: 2 segment(s), ASCII", "49037162 pour",
				"Profile payout: 6 digit(s), 5 wrong codes per entry, at most 45 compared", "Profile payout, message: 1 segment(s)",
			},
			[]string{"Warning"},
		},
		"spend": {
			spendProfiles, append(spend, "SEGMENT_PRICE=0.0040"),
			[]string{
				"Spend, at 0.004 per segment: at most 12.00 in a day (SEND_LIMITS_TOTAL 1000/24h) and 360.00 in 30 days (SEND_LIMITS_TOTAL 1000/24h)\n",
				"  profile payout: at most 0.08 in a day (SEND_LIMITS_TOTAL payout:10/24h) and 2.40 in 30 days (SEND_LIMITS_TOTAL payout:10/24h)\n",
				"  each other caller: at most 0.24 in a day (CALLER_LIMITS 20/24h) and 7.20 in 30 days",
				"  caller shop: at most 0.24 in a day (CALLER_LIMITS 30/24h) and 7.20 in 30 days",
			},
			[]string{"profile letter: at"}, // it has no cap of its own
		},
		"spend in segments": {
			spendProfiles, spend,
			[]string{"Spend, without SEGMENT_PRICE: at most 3000 segment(s) in a day (SEND_LIMITS_TOTAL 1000/24h)", "  profile payout: at most 20 segment(s)"}, nil,
		},
		"spend without a bound": {"{}", []string{"FLOWROUTE_RATE=0", "SEGMENT_PRICE=0.004"}, []string{"Spend, at 0.004 per segment: unlimited\n"}, nil},
	} {
		var out bytes.Buffer
		if err := printReport(&out, reportOf(t, c.profiles, c.settings...)); err != nil {
			t.Fatal(err)
		}
		contains(t, name, out.String(), c.want...)
		lacks(t, name, out.String(), c.lack...)
	}
}

func TestReportAsJSON(t *testing.T) {
	for _, c := range []struct {
		profiles       string
		settings, want []string
	}{
		{`{"login": {"code_length": 8, "messages": {"fr-CA": "{code} à vous"}}, "payout": {}}`, nil, []string{
			`"guessing":{"digits":6,"wrong_codes_per_entry":5,"wrong_codes_per_number_and_day":45,`, `"profiles":[{"name":"login","message":{"text":"49037162\n`,
			`"messages":{"fr-CA":{"text":"49037162 à vous","segments":1,`, `"guessing":{"digits":8,"wrong_codes_per_entry":5,"wrong_codes_per_number_and_day":45,`,
			`{"name":"payout","message":{"text":"490371\n`,
		}},
		{"{}", []string{"FLOWROUTE_RATE=0", "SEGMENT_PRICE=0.004"}, []string{`"spend":{"segment_price":0.004,"total":{"day":null,"month":null}}`}},
		{"{}", []string{"FLOWROUTE_RATE=5", "CALLER_LIMITS=*:7/24h", "SEGMENT_PRICE=0.5"}, []string{
			`"spend":{"segment_price":0.5,"total":{"day":{"segments":432000,"cost":216000,"setting":"FLOWROUTE_RATE 5"},"month":{"segments":12960000,"cost":6480000,"setting":"FLOWROUTE_RATE 5"}},`,
			`"callers":{"*":{"day":{"segments":7,"cost":3.5,"setting":"CALLER_LIMITS 7/24h"},"month":{"segments":210,"cost":105,"setting":"CALLER_LIMITS 7/24h"}}}}`,
		}},
	} {
		var out bytes.Buffer
		if err := printJSON(&out, reportOf(t, c.profiles, c.settings...)); err != nil {
			t.Fatal(err)
		}
		contains(t, "the report", out.String(), c.want...)
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

// TestSmallestBound: the bound is the smallest of the rate and the limits, in segments.
func TestSmallestBound(t *testing.T) {
	for _, test := range []struct {
		rate, segments int
		limits         string
		day, month     int64
		settings       string // of both
	}{
		{0, 1, "off", -1, -1, ""},
		{5, 1, "off", 432_000, 12_960_000, "FLOWROUTE_RATE 5, FLOWROUTE_RATE 5"},
		{5, 3, "off", 1_296_000, 38_880_000, "FLOWROUTE_RATE 5, FLOWROUTE_RATE 5"},
		{0, 2, "100/24h", 200, 6_000, "SEND_LIMITS_TOTAL 100/24h, SEND_LIMITS_TOTAL 100/24h"},
		{1, 1, "100/24h", 100, 3_000, "SEND_LIMITS_TOTAL 100/24h, SEND_LIMITS_TOTAL 100/24h"},
		{1, 1, "1000000/24h", 86_400, 2_592_000, "FLOWROUTE_RATE 1, FLOWROUTE_RATE 1"},
		{0, 1, "10/1h", 240, 7_200, "SEND_LIMITS_TOTAL 10/1h, SEND_LIMITS_TOTAL 10/1h"},
		{0, 1, "10/7h", 40, 1_030, "SEND_LIMITS_TOTAL 10/7h, SEND_LIMITS_TOTAL 10/7h"},    // 3.4 and 102.9 spans
		{0, 1, "10/36h", 10, 200, "SEND_LIMITS_TOTAL 10/36h, SEND_LIMITS_TOTAL 10/36h"},   // 20 spans in a month
		{0, 1, "10/721h", 10, 10, "SEND_LIMITS_TOTAL 10/721h, SEND_LIMITS_TOTAL 10/721h"}, // longer than a month
		{0, 1, "10/1h,200/24h,3000/720h", 200, 3_000, "SEND_LIMITS_TOTAL 200/24h, SEND_LIMITS_TOTAL 3000/720h"},
	} {
		windows := codestest.Windows(t, strings.Split(test.limits, ",")...)
		settings := ""
		of := func(in time.Duration) int64 {
			b := smallestBound(in, test.rate, test.segments, []codes.Limit{{Kind: codes.TotalLimit, Windows: windows}})
			if b == nil {
				return -1
			}
			settings += ", " + b.Setting
			return b.Segments
		}
		inDay, inMonth := of(day), of(month)
		if inDay != test.day || inMonth != test.month || strings.TrimPrefix(settings, ", ") != test.settings {
			t.Errorf("%+v: %d in a day, %d in a month, by%s", test, inDay, inMonth, settings)
		}
	}
}

// TestCostIsRoundedUp: a bound is rounded up to cents, without errors of binary
// fractions.
func TestCostIsRoundedUp(t *testing.T) {
	for _, test := range []struct {
		segments int64
		price    float64
		want     string
	}{
		{432_000, 0.004, "1728.00"}, {1, 0.004, "0.01"}, {3, 0.1, "0.30"}, {2, 0.005, "0.01"}, {3, 0.0035, "0.02"}, {7, 0, "7 segment(s)"},
	} {
		b := &bound{Segments: test.segments}
		if b.price(test.price); b.String() != test.want {
			t.Errorf("%d at %v: %s, want %s", test.segments, test.price, b, test.want)
		}
	}
}
