package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
)

// report is what check finds. Its JSON is for programs: members are only added.
type report struct {
	OK       bool            `json:"ok"`
	Problems []string        `json:"problems"` // that keep the service from working
	Warnings []string        `json:"warnings"`
	Notes    []string        `json:"notes,omitempty"`   // that no flag makes a failure
	Message  *messageReport  `json:"message,omitempty"` // nil if the settings have problems, as the rest
	Guessing *guessingReport `json:"guessing,omitempty"`
	Redis    string          `json:"redis,omitempty"` // "fine", or why it cannot be used
	Race     *raceReport     `json:"race,omitempty"`  // of --race
}

// messageReport is the SMS with a sample code, and what it costs.
type messageReport struct {
	Text             string `json:"text"`
	Segments         int    `json:"segments"`
	Encoding         string `json:"encoding"`
	StandardSegments int    `json:"standard_segments"` // by the rule of the standards, which carriers may bill by
	StandardEncoding string `json:"standard_encoding"`
}

// guessingReport is what the limits are worth against guessing.
type guessingReport struct {
	Digits        int      `json:"digits"`
	WrongPerEntry int64    `json:"wrong_codes_per_entry"`
	WrongPerDay   *float64 `json:"wrong_codes_per_number_and_day"` // null: without bound
	Odds          []odds   `json:"odds"`
}

// odds are the chance to guess one code in a day, with so many numbers to try.
type odds struct {
	Numbers     int     `json:"numbers"`
	Probability float64 `json:"probability"`
}

// newReport tells of the settings.
func newReport(cfg *config.Config) *report {
	text, _ := sampleMessage(cfg)
	return &report{
		Problems: []string{},
		Warnings: slices.Concat(cfg.Warnings(), messageWarnings(cfg), weakCodes(cfg)),
		Message:  newMessageReport(text),
		Guessing: newGuessingReport(cfg),
	}
}

// addRedis adds what was found out about Redis.
func (r *report) addRedis(found redisFindings, err error) {
	r.Warnings = append(r.Warnings, found.Warnings...)
	if len(found.Unread) > 0 {
		r.Notes = append(r.Notes, "the user of Redis may not read "+strings.Join(found.Unread, ", ")+
			"; make sure of appendonly yes, or save \"\", and maxmemory-policy noeviction")
	}
	r.Redis, r.Race = "fine", found.race
	if err != nil {
		r.Redis = err.Error()
		r.Problems = append(r.Problems, "Redis cannot be used: "+r.Redis)
	}
	if r.Race != nil && r.Race.found() != "" {
		r.Problems = append(r.Problems, "race: "+r.Race.found())
	}
	r.OK = len(r.Problems) == 0
}

func sampleMessage(cfg *config.Config) (codes.Text, codes.Code) {
	code := codes.Code(strings.Repeat("4903716258", cfg.CodeLength/10+1)[:cfg.CodeLength])
	return cfg.AuthMessage.Render(code, cfg.OrgName, cfg.CodeExpiration), code
}

// messageWarnings returns what is likely a mistake in the message, each with
// the name of its setting.
func messageWarnings(cfg *config.Config) (warnings []string) {
	for _, mistake := range slices.Concat(codes.ReviewTemplate(cfg.AuthMessage), codes.ReviewMessage(sampleMessage(cfg))) {
		warnings = append(warnings, "AUTH_MESSAGE: "+mistake)
	}
	for _, mistake := range codes.ReviewOrgName(cfg.OrgName) {
		warnings = append(warnings, "ORG_NAME: "+mistake)
	}
	return warnings
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

func newGuessingReport(cfg *config.Config) *guessingReport {
	guesses := codes.MaxGuessesPerDay(app.PolicyOf(cfg).Limits, cfg.RetriesAllowed, cfg.CodeExpiration)
	g := &guessingReport{Digits: cfg.CodeLength, WrongPerEntry: cfg.RetriesAllowed}
	if !math.IsInf(guesses, 1) {
		g.WrongPerDay = &guesses
	}
	for _, numbers := range []int{1, 1_000, 10_000, 100_000} {
		g.Odds = append(g.Odds, odds{numbers, codes.Odds(cfg.CodeLength, guesses*float64(numbers))})
	}
	return g
}

// printReport prints a report for people. Problems of the settings are not in
// it: they are the command's error.
func printReport(out io.Writer, r *report) error {
	if r.Message == nil {
		return nil
	}
	w := &strings.Builder{}
	fmt.Fprintln(w, "Settings: fine")
	fmt.Fprintf(w, "Message: %d segment(s), %s; by the standards %d, %s\n",
		r.Message.Segments, r.Message.Encoding, r.Message.StandardSegments, r.Message.StandardEncoding)
	w.WriteString(app.PhoneView("1XXXXXXXXXX", r.Message.Text))
	perDay := "+Inf"
	if r.Guessing.WrongPerDay != nil {
		perDay = strconv.FormatFloat(*r.Guessing.WrongPerDay, 'f', -1, 64)
	}
	fmt.Fprintf(w, "Guessing: %d digit(s), %d wrong codes per entry, at most %s compared per number and day\n",
		r.Guessing.Digits, r.Guessing.WrongPerEntry, perDay)
	for _, o := range r.Guessing.Odds {
		fmt.Fprintf(w, "  chance to guess one code in a day, over %6d number(s): %.2g\n", o.Numbers, o.Probability)
	}
	if r.Redis == "fine" {
		fmt.Fprintln(w, "Redis: reached, every script ran")
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
