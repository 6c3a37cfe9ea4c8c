package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// flagName returns the name of a setting's flag.
func flagName(key string) string { return strings.ReplaceAll(strings.ToLower(key), "_", "-") }

// lookup finds a flag in a set that may be nil.
func lookup(fs *pflag.FlagSet, name string) *pflag.Flag {
	if fs == nil {
		return nil
	}
	return fs.Lookup(name)
}

// Flags adds a flag for every setting that is not a secret, and --config and
// --credentials. All of them are text for pflag; [Load] checks what they say.
func Flags(fs *pflag.FlagSet) {
	fs.String("config", "", "read the settings from this `file` in place of ./config.yaml")
	fs.String("credentials", "", "read the secrets from this `file` in place of ./credentials.yaml")
	c := &Config{}
	for _, s := range c.settings() {
		name := flagName(s.key)
		usage := plain(s.meaning()) + " (`" + s.kind.String() + "`)"
		switch {
		case s.isSecret():
		case s.kind == list: // may be repeated, else all but the last would be lost
			fs.StringArray(name, s.split(s.def), usage)
		default:
			fs.String(name, s.def, usage)
			if s.kind == boolean {
				fs.Lookup(name).NoOptDefVal = "true"
			}
		}
	}
}

// Setting describes one setting to whoever documents or deploys the service.
type Setting struct {
	Name string // as the environment has it
	Kind string // how it is written: text, secret, number, seconds, duration, boolean, level, list or mapping
}

// Settings returns every setting, in the order of the documentation.
func Settings() []Setting {
	var all []Setting
	for _, s := range new(Config).settings() {
		all = append(all, Setting{s.key, s.kind.String()})
	}
	return all
}

// meaning is the documentation of a setting in one line of Markdown.
func (s setting) meaning() string {
	m := s.doc
	if s.rule != "" {
		m += "; " + s.rule
	}
	if s.required {
		m += "; required unless `" + keyDebugMode + "`"
	}
	return m
}

// Markdown returns the table of all settings.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| name | default | meaning |\n| --- | --- | --- |\n")
	c := &Config{}
	for _, s := range c.settings() {
		def := "–"
		if s.def != "" {
			def = "`" + strings.ReplaceAll(s.def, "\n", `\n`) + "`"
		}
		if s.debug != "" {
			def += " (`" + s.debug + "` in debug mode)"
		}
		meaning := s.meaning()
		if s.isSecret() {
			meaning += " (secret)"
		}
		_, _ = fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.key, def, strings.ReplaceAll(meaning, "|", `\|`))
	}
	return b.String()
}

const sampleHead = `# All settings with their defaults. Copy this file to config.yaml, keep what you
# change, and delete the rest. A flag or an environment variable of the same
# name is stronger, for example --code-length 6 or CODE_LENGTH=6.
`

// sampleProfiles has every setting of a profile. It stands in for {}.
const sampleProfiles = `# In place of {}, for example; a profile has the settings of the service that it does not set:
# profiles:
#   login:
#     code_length: 6
#     code_expiration: 600
#     retries_allowed: 5
#     org_name: "Example Shop"
#     auth_message: "{code} is your {org} login code. Valid for {minutes} minutes."
#     messages: # in other languages, for requests with such a locale
#       es: "{code} es tu código de acceso de {org}."
#       fr-CA: "{code} est votre code de connexion {org}."
#     resend: same
#     flowroute_number: "12065550199"
#     send_limits_total: 500/24h # of this profile, beside that of the service
#     twilio_service: "VA0123456789abcdef0123456789abcdef" # the Twilio Verify service whose place it takes
#     callers: [shop] # names from api_keys that may use it; without this line all may
`

// SampleYAML returns a config.yaml that says what holds without it. What has
// no default, or another one in debug mode, is commented out.
func SampleYAML() string {
	var b strings.Builder
	b.WriteString(sampleHead)
	c := &Config{}
	for _, s := range c.settings() {
		key := strings.ToLower(s.key)
		_, _ = fmt.Fprintf(&b, "\n# %s\n", plain(s.meaning()))
		switch {
		case s.isSecret():
			_, _ = fmt.Fprintf(&b, "# %s: # belongs in credentials.yaml, the variable %s, or a file that %[2]s_FILE names\n", key, s.key)
		case s.debug != "":
			_, _ = fmt.Fprintf(&b, "# %s: %s # in debug mode %s\n", key, s.sample(), s.debug)
		case s.required:
			_, _ = fmt.Fprintf(&b, "# %s: %s\n", key, s.sample())
		default:
			_, _ = fmt.Fprintf(&b, "%s: %s\n", key, s.sample())
		}
		if s.kind == mapping {
			b.WriteString(sampleProfiles)
		}
	}
	return b.String()
}

// sample returns the default as YAML.
func (s setting) sample() string {
	switch s.kind {
	case number, seconds, duration, boolean, level:
		return s.def
	case mapping:
		return "{}"
	case list:
		quoted := s.split(s.def)
		for i, v := range quoted {
			quoted[i] = strconv.Quote(v)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	default:
		return strconv.Quote(s.def)
	}
}
