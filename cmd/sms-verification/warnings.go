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

// nist begins a warning.
const nist = "NIST SP 800-63B-4 asks for "

// weakCodes says where the settings fall short of the standards.
func weakCodes(cfg *config.Config) []string {
	w := weakCode(app.PolicyOf(cfg), nil, func(key string) string { return key })
	if len(cfg.GuessLimits) == 0 {
		w = append(w, nist+"a count of failures that a new code does not reset; set GUESS_LIMITS")
	}
	if len(cfg.SendLimits) == 0 {
		w = append(w, "SEND_LIMITS is off: one number can be sent any number of messages, at your cost")
	}
	if len(cfg.AllowedPrefixes) == 0 {
		w = append(w, "ALLOWED_PREFIXES is empty: messages go to every country of +1, also where toll fraud lives; set it to us,ca")
	}
	service := app.PolicyOf(cfg)
	for i, p := range app.ProfilesOf(cfg) {
		w = append(w, weakCode(p, &service, cfg.Profiles[i].Path)...)
	}
	return w
}

// weakCode says where the codes of a policy fall short of the standards, except
// in what the policy inherits. path returns the name of a setting.
func weakCode(p codes.Policy, inherited *codes.Policy, path func(key string) string) (w []string) {
	if p.CodeLength < 6 && (inherited == nil || inherited.CodeLength != p.CodeLength) {
		w = append(w, nist+"at least six digits; set "+path("CODE_LENGTH")+" to 6")
	}
	if p.Lifetime > 10*time.Minute && (inherited == nil || inherited.Lifetime != p.Lifetime) {
		w = append(w, nist+"at most ten minutes, as does OWASP ASVS 5 (6.6); set "+path("CODE_EXPIRATION")+" to 600")
	}
	if p.Attempts > 100 && (inherited == nil || inherited.Attempts != p.Attempts) {
		w = append(w, nist+"at most 100 failures in a row; set "+path("RETRIES_ALLOWED")+" to 5")
	}
	return w
}

// sampleMessage returns how a message looks under a policy, and its code.
func sampleMessage(p codes.Policy, m codes.Template) (codes.Text, codes.Code) {
	code := codes.Code(strings.Repeat("4903716258", p.CodeLength/10+1)[:p.CodeLength])
	return m.Render(code, p.OrgName, p.Lifetime), code
}

func reviewMessage(p codes.Policy, m codes.Template) []string {
	return slices.Concat(codes.ReviewTemplate(m), codes.ReviewMessage(sampleMessage(p, m)))
}

// messageWarnings returns what is likely a mistake in the messages, each with
// the name of its setting.
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
		if reflect.DeepEqual(p.Message, service.Message) { // with another code or name there may be more of them
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
