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
// --credentials. For pflag all are text; [Load] validates them.
func Flags(fs *pflag.FlagSet) {
	fs.String("config", "", "read settings from this `file` instead of ./config.yaml")
	fs.String("credentials", "", "read secrets from this `file` instead of ./credentials.yaml")
	c := &Config{}
	for _, s := range c.settings() {
		name := flagName(s.key)
		usage := plain(s.meaning()) + " (`" + s.kind.String() + "`)"
		switch {
		case s.isSecret():
		case s.kind == list: // a plain flag, if repeated, would keep only the last value
			fs.StringArray(name, s.split(s.def), usage)
		default:
			fs.String(name, s.def, usage)
			if s.kind == boolean {
				fs.Lookup(name).NoOptDefVal = "true"
			}
		}
	}
}

// Setting describes a setting, for documentation and deployment.
type Setting struct {
	Name string // in the environment
	Kind string // text, secret, number, amount, seconds, duration, boolean, level, list or mapping
}

// Settings returns every setting, in the order of the documentation.
func Settings() []Setting {
	var all []Setting
	for _, s := range new(Config).settings() {
		all = append(all, Setting{s.key, s.kind.String()})
	}
	return all
}

// meaning returns the documentation of a setting in one line of Markdown.
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

const sampleHead = `# All settings with their defaults. Copy this file to config.yaml, keep the
# settings that you change, and delete the rest. Flags and environment variables
# override it, for example --code-length 6 or CODE_LENGTH=6.
`

// sampleProfiles shows every setting of a profile.
const sampleProfiles = `# Example; a profile inherits the settings that it omits:
# profiles:
#   login:
#     code_length: 6
#     code_expiration: 600
#     retries_allowed: 5
#     org_name: "Example Shop"
#     auth_message: "{code} is your {org} login code. Valid for {minutes} minutes."
#     messages: # by locale of the request
#       es: "{code} es tu código de acceso de {org}."
#       fr-CA: "{code} est votre code de connexion {org}."
#     resend: same
#     flowroute_number: "12065550199"
#     send_limits_total: 500/24h # in addition to the limit of the service
#     twilio_service: "VA0123456789abcdef0123456789abcdef" # serves requests for this Twilio Verify service
#     callers: [shop] # names from api_keys that may use it; all if omitted
`

// SampleYAML returns a config.yaml with the defaults. Settings without a default,
// or with another in debug mode, are commented out.
func SampleYAML() string {
	var b strings.Builder
	b.WriteString(sampleHead)
	c := &Config{}
	for _, s := range c.settings() {
		key := strings.ToLower(s.key)
		_, _ = fmt.Fprintf(&b, "\n# %s\n", plain(s.meaning()))
		switch {
		case s.isSecret():
			_, _ = fmt.Fprintf(&b, "# %s: # set it in credentials.yaml, in the variable %s, or in the file that %[2]s_FILE names\n", key, s.key)
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
