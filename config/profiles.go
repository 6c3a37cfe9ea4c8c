package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"github.com/flowroute/sms-verification/codes"
)

// Profile is a named set of settings. A setting that it omits has the value of
// the service's setting of the same name.
type Profile struct {
	Name            string
	CodeLength      int
	CodeExpiration  time.Duration
	RetriesAllowed  int64
	OrgName         string
	AuthMessage     codes.Template
	Messages        map[codes.Locale]codes.Template // nil for AuthMessage alone
	SameCode        bool                            // resend: same
	FlowrouteNumber codes.Phone
	SendLimitsTotal []codes.Window // of the profile, in addition to those of the service; Text is without the profile's name
	TwilioService   string         // SID of a Twilio Verify service, hex digits in lower case; empty for none
	Callers         []string       // names from API_KEYS that may use it; nil for all
}

// ofProfiles are the settings that a profile can override. It also has
// MESSAGES, TWILIO_SERVICE and CALLERS.
var ofProfiles = []string{keyCodeLength, "CODE_EXPIRATION", "RETRIES_ALLOWED", "ORG_NAME", "AUTH_MESSAGE", "RESEND", "FLOWROUTE_NUMBER", "SEND_LIMITS_TOTAL"}

// Path returns the name of a profile's setting, for messages.
func (p *Profile) Path(key string) string { return "profiles." + p.Name + "." + strings.ToLower(key) }

// at returns where a node is, for messages: without a line number if the text
// has only one line.
func (v value) at(n *yaml.Node) string {
	if n.Line == 0 || v.values != nil && !strings.Contains(strings.TrimSpace(v.values[0]), "\n") {
		return v.origin
	}
	return fmt.Sprintf("%s line %d", v.origin, n.Line)
}

// profiles reads PROFILES. It runs after the other settings are read, because
// profiles inherit from them.
func (l *loader) profiles(c *Config) {
	v, found := l.value(l.byKey[keyProfiles])
	if !found {
		return
	}
	if v.node == nil {
		var problem string
		var line int
		if v.node, line, problem = l.document([]byte(withoutJSONEscapes(v.values[0]))); problem != "" {
			l.bad(keyProfiles, v.at(&yaml.Node{Line: line}), errors.New(problem))
		}
		if v.node == nil {
			return
		}
	}
	if v.node.Kind != yaml.MappingNode {
		l.bad(keyProfiles, v.at(v.node), errors.New("is not a mapping; write each profile's name with its settings below it, or {} for no profiles"))
		return
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		l.profile(c, v, v.node.Content[i], target(v.node.Content[i+1]))
	}
	l.checkProfiles(c)
}

var jsonEscape = regexp.MustCompile(`\\\\|\\/|\\u[dD][89abAB]..\\u[dD][c-fC-F]..`)

// withoutJSONEscapes replaces the escapes of JSON that YAML does not have.
func withoutJSONEscapes(text string) string {
	if !json.Valid([]byte(text)) {
		return text
	}
	return jsonEscape.ReplaceAllStringFunc(text, func(escape string) (plain string) {
		if escape == `\\` || json.Unmarshal([]byte(`"`+escape+`"`), &plain) != nil {
			return escape
		}
		return plain
	})
}

var profileName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// profile reads one profile and adds it to c.
func (l *loader) profile(c *Config, in value, name, node *yaml.Node) {
	p := Profile{Name: name.Value}
	path := "profiles." + p.Name
	switch {
	case name.Kind != yaml.ScalarNode || !profileName.MatchString(p.Name):
		l.bad(keyProfiles, in.at(name), errors.New("has an invalid profile name; use 1 to 32 characters of a-z0-9-"))
		return
	case slices.ContainsFunc(c.Profiles, func(other Profile) bool { return other.Name == p.Name }):
		l.bad(path, in.at(name), errors.New("is given twice; keep one"))
		return
	case node.Kind != yaml.MappingNode:
		l.bad(path, in.at(name), errors.New("is not a mapping; write settings below it such as code_length: 6, or {} to use those of the service"))
	}
	own := *c // for the rules and the inherited values
	own.SendLimitsTotal = nil
	known := map[string]setting{}
	add := func(key string, f field) { known[key] = setting{key: p.Path(key), field: f} }
	for _, s := range own.settings() {
		if slices.Contains(ofProfiles, s.key) {
			add(s.key, s.field)
		}
	}
	add("MESSAGES", field{kind: mapping})
	add("TWILIO_SERVICE", twilioServiceField(&p.TwilioService))
	add("CALLERS", callersField(&p.Callers))
	if node.Kind == yaml.MappingNode {
		in.node = node
		l.applyProfile(&p, known, l.section(in, path, known))
	}
	p.CodeLength, p.CodeExpiration, p.RetriesAllowed = own.CodeLength, own.CodeExpiration, own.RetriesAllowed
	p.OrgName, p.AuthMessage, p.SameCode = own.OrgName, own.AuthMessage, own.SameCode
	p.FlowrouteNumber, p.SendLimitsTotal = own.FlowrouteNumber, own.SendLimitsTotal
	c.Profiles = append(c.Profiles, p)
}

// applyProfile applies the settings of a profile.
func (l *loader) applyProfile(p *Profile, known map[string]setting, set map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(set)) {
		s := known[strings.ToUpper(key)]
		v, _ := set[key].(value)
		l.origins[s.key] = v.origin
		if s.kind == mapping {
			p.Messages = l.messages(s.key, v)
		} else if err := s.apply(v.values); err != nil {
			l.bad(s.key, v.origin, err)
		}
	}
}

var languageKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// messages reads the message templates of a profile by language.
func (l *loader) messages(path string, in value) map[codes.Locale]codes.Template {
	if in.node.Kind != yaml.MappingNode {
		l.bad(path, in.at(in.node), errors.New("is not a mapping; write a language such as es and its text, or remove it"))
		return nil
	}
	texts := map[codes.Locale]codes.Template{}
	for i := 0; i+1 < len(in.node.Content); i += 2 {
		key, node := in.node.Content[i], in.node.Content[i+1]
		at := path
		if languageKey.MatchString(key.Value) {
			at += "." + key.Value
		}
		tag, err := language.Parse(key.Value)
		locale := codes.Locale(tag.String())
		if err != nil || strings.HasPrefix(tag.String(), "und") {
			l.bad(at, in.at(key), errors.New("is not a language; write a BCP 47 tag such as es or fr-CA"))
			continue
		}
		if _, given := texts[locale]; given {
			l.bad(at, in.at(key), fmt.Errorf("repeats the language %s; keep one", locale))
			continue
		}
		var text codes.Template
		f := templateField(&text)
		values, err := f.fromYAML(node)
		if err == nil {
			err = f.apply(values)
		}
		if err != nil {
			l.bad(at, in.at(key), err)
		}
		texts[locale] = text
	}
	if len(texts) == 0 {
		return nil
	}
	return texts
}

var twilioService = regexp.MustCompile(`^VA[0-9a-fA-F]{32}$`)

func twilioServiceField(p *string) field {
	return single(word, "", func(s string) error {
		if !twilioService.MatchString(s) {
			return errors.New("is not the SID of a Twilio Verify service; write VA and 32 hex digits, or remove it")
		}
		*p = "VA" + strings.ToLower(s[2:])
		return nil
	})
}

func callersField(p *[]string) field {
	return field{list, "", func(values []string) error {
		*p = values
		if len(values) == 0 {
			return errors.New("is empty, so no caller could use the profile; list names from API_KEYS, or remove it to allow all of them")
		}
		return nil
	}}
}

// checkProfiles validates profiles against each other and other settings.
func (l *loader) checkProfiles(c *Config) {
	services := map[string]string{} // profiles by their Twilio service
	for _, p := range c.Profiles {
		path := p.Path("TWILIO_SERVICE")
		if other, taken := services[p.TwilioService]; taken && p.TwilioService != "" {
			l.bad(path, l.origins[path], fmt.Errorf("is also used by the profile %s; give each profile its own", other))
		}
		services[p.TwilioService] = p.Name
		path = p.Path("CALLERS")
		if l.anyWrong(path, keyAPIKeys) {
			continue
		}
		for i, name := range p.Callers {
			if !slices.ContainsFunc(c.APIKeys, func(k APIKey) bool { return k.Name == name }) {
				l.bad(path, l.origins[path], fmt.Errorf("element %d %s is not a name in API_KEYS; correct or remove it, or add a key for it", i+1, shown(name)))
			}
		}
	}
}
