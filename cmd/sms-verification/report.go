package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/redisstore"
)

// report is the result of check. Its JSON is an interface: members are only added.
type report struct {
	OK       bool            `json:"ok"`
	Problems []string        `json:"problems"` // the service cannot run with these
	Warnings []string        `json:"warnings"`
	Notes    []string        `json:"notes,omitempty"`    // --strict ignores these
	Message  *messageReport  `json:"message,omitempty"`  // nil, like all below, if the settings have problems
	Guessing *guessingReport `json:"guessing,omitempty"` // for a number under all profiles
	Profiles []profileReport `json:"profiles,omitempty"`
	Spend    *spendReport    `json:"spend,omitempty"`
	Redis    string          `json:"redis,omitempty"` // "fine", or why it cannot be used
	Race     *raceReport     `json:"race,omitempty"`  // nil without --race
}

// messageReport is the SMS with a sample code, and its segments.
type messageReport struct {
	Text             string `json:"text"`
	Segments         int    `json:"segments"`
	Encoding         string `json:"encoding"`
	StandardSegments int    `json:"standard_segments"` // by the GSM standard, which carriers may bill by
	StandardEncoding string `json:"standard_encoding"`
}

// guessingReport says how well the limits protect against guessing.
type guessingReport struct {
	Digits        int      `json:"digits"`
	WrongPerEntry int64    `json:"wrong_codes_per_entry"`
	WrongPerDay   *float64 `json:"wrong_codes_per_number_and_day"` // null: unlimited
	Odds          []odds   `json:"odds"`
}

// odds is the probability of guessing at least one code in a day, for an attacker
// with this many numbers.
type odds struct {
	Numbers     int     `json:"numbers"`
	Probability float64 `json:"probability"`
}

// profileReport is the part of the report about one profile.
type profileReport struct {
	Name     string                          `json:"name"`
	Message  *messageReport                  `json:"message"`
	Messages map[codes.Locale]*messageReport `json:"messages,omitempty"` // by language
	Guessing *guessingReport                 `json:"guessing"`           // as if all codes were of this profile
}

// newReport returns the report about the settings.
func newReport(cfg *config.Config) *report {
	service, profiles := app.PolicyOf(cfg), app.ProfilesOf(cfg)
	text, _ := sampleMessage(service, service.Message)
	return &report{
		Problems: []string{},
		Warnings: slices.Concat(cfg.Warnings(), messageWarnings(cfg), weakCodes(cfg)),
		Message:  newMessageReport(text),
		Guessing: newGuessingReport(weakest(service, profiles)),
		Profiles: newProfileReports(profiles),
		Spend:    newSpendReport(service, profiles, cfg.SegmentPrice),
	}
}

// addRedis adds the results of checkRedis.
func (r *report) addRedis(found redisstore.Inspection, raced *raceReport, err error) {
	r.Warnings = append(r.Warnings, found.Warnings...)
	if len(found.Unread) > 0 {
		r.Notes = append(r.Notes, "the user of Redis may not read "+strings.Join(found.Unread, ", ")+
			"; make sure that appendonly is yes or save is empty, and maxmemory-policy is noeviction")
	}
	r.Redis, r.Race = "fine", raced
	if err != nil {
		r.Redis = err.Error()
		r.Problems = append(r.Problems, "Redis cannot be used: "+r.Redis)
	}
	if r.Race != nil && r.Race.found() != "" {
		r.Problems = append(r.Problems, "race: "+r.Race.found())
	}
	r.OK = len(r.Problems) == 0
}

func newMessageReport(text codes.Text) *messageReport {
	m := &messageReport{Text: string(text), Encoding: "UCS-2", StandardEncoding: "UCS-2"}
	var ascii, gsm bool
	if m.Segments, ascii = codes.Segments(text); ascii {
		m.Encoding = "ASCII"
	}
	if m.StandardSegments, gsm = codes.StandardSegments(text); gsm {
		m.StandardEncoding = "GSM-7"
	}
	return m
}

func newProfileReports(profiles []codes.Policy) (reports []profileReport) {
	for _, p := range profiles {
		message := func(m codes.Template) *messageReport {
			text, _ := sampleMessage(p, m)
			return newMessageReport(text)
		}
		r := profileReport{Name: p.Profile, Message: message(p.Message), Messages: map[codes.Locale]*messageReport{}, Guessing: newGuessingReport(p)}
		for locale, m := range p.Messages {
			r.Messages[locale] = message(m)
		}
		reports = append(reports, r)
	}
	return reports
}

func newGuessingReport(p codes.Policy) *guessingReport {
	guesses := codes.MaxGuessesPerDay(p.Limits, p.Attempts, p.Lifetime)
	g := &guessingReport{Digits: p.CodeLength, WrongPerEntry: p.Attempts}
	if !math.IsInf(guesses, 1) {
		g.WrongPerDay = &guesses
	}
	for _, numbers := range []int{1, 1_000, 10_000, 100_000} {
		g.Odds = append(g.Odds, odds{numbers, codes.Odds(p.CodeLength, guesses*float64(numbers))})
	}
	return g
}

// weakest returns the policy of the service with the shortest code, the most
// attempts and the longest lifetime of all profiles. An attacker who guesses the
// codes of a number can choose any profile.
func weakest(service codes.Policy, profiles []codes.Policy) codes.Policy {
	for _, p := range profiles {
		service.CodeLength = min(service.CodeLength, p.CodeLength)
		service.Attempts = max(service.Attempts, p.Attempts)
		service.Lifetime = max(service.Lifetime, p.Lifetime)
	}
	return service
}

// String returns one line, without the odds.
func (g *guessingReport) String() string {
	perDay := "any number"
	if g.WrongPerDay != nil {
		perDay = "at most " + strconv.FormatFloat(*g.WrongPerDay, 'f', -1, 64)
	}
	return fmt.Sprintf("%d digit(s), %d wrong codes per entry, %s compared per number and day", g.Digits, g.WrongPerEntry, perDay)
}

// print draws the message as a phone shows it.
func (m *messageReport) print(w io.Writer, title string) {
	_, _ = fmt.Fprintf(w, "%s: %d segment(s), %s; by the GSM standard %d, %s\n%s", title,
		m.Segments, m.Encoding, m.StandardSegments, m.StandardEncoding, app.PhoneView("1XXXXXXXXXX", m.Text))
}

func (p *profileReport) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "Profile %s: %v; chance of guessing a code in a day: %.2g\n", p.Name, p.Guessing, p.Guessing.Odds[0].Probability)
	p.Message.print(w, "Profile "+p.Name+", message")
	for _, locale := range slices.Sorted(maps.Keys(p.Messages)) {
		p.Messages[locale].print(w, "Profile "+p.Name+", message "+string(locale))
	}
}

// printReport prints the report as text. Problems of the settings are left out:
// the command returns them as its error.
func printReport(out io.Writer, r *report) error {
	if r.Message == nil {
		return nil
	}
	w := &strings.Builder{}
	fmt.Fprintln(w, "Settings: fine")
	r.Message.print(w, "Message")
	fmt.Fprint(w, "Guessing: ", r.Guessing)
	if len(r.Profiles) > 0 {
		fmt.Fprint(w, ", with the shortest code, the most attempts and the longest lifetime of all profiles")
	}
	fmt.Fprintln(w)
	for _, o := range r.Guessing.Odds {
		fmt.Fprintf(w, "  chance of guessing a code in a day, with %6d number(s): %.2g\n", o.Numbers, o.Probability)
	}
	for _, p := range r.Profiles {
		p.print(w)
	}
	r.Spend.print(w)
	if r.Redis == "fine" {
		fmt.Fprintln(w, "Redis: reached; all scripts ran")
	} else {
		fmt.Fprintln(w, "Redis: CANNOT BE USED:", r.Redis)
	}
	if r.Race != nil {
		fmt.Fprintln(w, "Race:", r.Race)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "Warning:", warning)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, "Note:", note)
	}
	_, err := io.WriteString(out, w.String())
	return err
}
