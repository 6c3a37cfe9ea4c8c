package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/flowroute/sms-verification/codes"
)

// profileReport is what check finds about a profile.
type profileReport struct {
	Name     string                          `json:"name"`
	Message  *messageReport                  `json:"message"`
	Messages map[codes.Locale]*messageReport `json:"messages,omitempty"` // in other languages
	Guessing *guessingReport                 `json:"guessing"`           // if all codes were of this profile
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

func (p *profileReport) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "Profile %s: %v; chance to guess one code in a day: %.2g\n", p.Name, p.Guessing, p.Guessing.Odds[0].Probability)
	p.Message.print(w, "Profile "+p.Name+", message")
	for _, locale := range slices.Sorted(maps.Keys(p.Messages)) {
		p.Messages[locale].print(w, "Profile "+p.Name+", message "+string(locale))
	}
}

// weakest returns the policy of the service with the shortest code, the most
// attempts and the longest lifetime of all profiles: an attacker who guesses codes of
// one number can use any of them.
func weakest(service codes.Policy, profiles []codes.Policy) codes.Policy {
	for _, p := range profiles {
		service.CodeLength = min(service.CodeLength, p.CodeLength)
		service.Attempts = max(service.Attempts, p.Attempts)
		service.Lifetime = max(service.Lifetime, p.Lifetime)
	}
	return service
}
