package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/app"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
)

const nist = "NIST SP 800-63B-4 requires "

// weakCodes returns warnings about settings that are weaker than the standards.
func weakCodes(cfg *config.Config) []string {
	service := app.PolicyOf(cfg)
	w := weakCode(service, codes.Policy{}, func(key string) string { return key })
	if len(cfg.GuessLimits) == 0 {
		w = append(w, nist+"a count of failures that a new code does not reset; set GUESS_LIMITS")
	}
	if len(cfg.SendLimits) == 0 {
		w = append(w, "SEND_LIMITS is off: one number can be sent any number of messages, at your cost")
	}
	if len(cfg.AllowedPrefixes) == 0 {
		w = append(w, "ALLOWED_PREFIXES is empty: messages may go to every country of +1, including those known for toll fraud; set it to us,ca")
	}
	for i, p := range app.ProfilesOf(cfg) {
		w = append(w, weakCode(p, service, cfg.Profiles[i].Path)...)
	}
	return w
}

// weakCode returns warnings about a policy, except for values that it inherits.
// path returns the name of a setting.
func weakCode(p, inherited codes.Policy, path func(key string) string) (w []string) {
	if p.CodeLength < 6 && p.CodeLength != inherited.CodeLength {
		w = append(w, nist+"at least six digits; set "+path("CODE_LENGTH")+" to 6")
	}
	if p.Lifetime > 10*time.Minute && p.Lifetime != inherited.Lifetime {
		w = append(w, nist+"at most ten minutes, as OWASP ASVS 5 (6.6) does; set "+path("CODE_EXPIRATION")+" to 600")
	}
	if p.Attempts > 100 && p.Attempts != inherited.Attempts {
		w = append(w, nist+"at most 100 failures in a row; set "+path("RETRIES_ALLOWED")+" to 5")
	}
	return w
}

// sampleMessage renders a message under a policy; it returns the sample code too.
func sampleMessage(p codes.Policy, m codes.Template) (codes.Text, codes.Code) {
	code := codes.Code(strings.Repeat("4903716258", p.CodeLength/10+1)[:p.CodeLength])
	return m.Render(code, p.OrgName, p.Lifetime), code
}

func reviewMessage(p codes.Policy, m codes.Template) []string {
	return slices.Concat(codes.ReviewTemplate(m), codes.ReviewMessage(sampleMessage(p, m)))
}

// messageWarnings returns likely mistakes in the messages, each with the name of
// its setting.
func messageWarnings(cfg *config.Config) (warnings []string) {
	add := func(path string, mistakes []string) {
		for _, mistake := range mistakes {
			warnings = append(warnings, path+": "+mistake)
		}
	}
	service := app.PolicyOf(cfg)
	known := reviewMessage(service, service.Message)
	add("AUTH_MESSAGE", known)
	add("ORG_NAME", codes.ReviewOrgName(service.OrgName))
	for i, p := range app.ProfilesOf(cfg) {
		path := cfg.Profiles[i].Path
		mistakes := reviewMessage(p, p.Message)
		if reflect.DeepEqual(p.Message, service.Message) { // reported above, unless they come from the profile's code or name
			mistakes = slices.DeleteFunc(mistakes, func(m string) bool { return slices.Contains(known, m) })
		}
		add(path("AUTH_MESSAGE"), mistakes)
		for _, locale := range slices.Sorted(maps.Keys(p.Messages)) {
			add(path("MESSAGES")+"."+string(locale), reviewMessage(p, p.Messages[locale]))
		}
		if p.OrgName != service.OrgName {
			add(path("ORG_NAME"), codes.ReviewOrgName(p.OrgName))
		}
	}
	return warnings
}
