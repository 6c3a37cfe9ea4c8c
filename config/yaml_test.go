package config

import (
	"strings"
	"testing"
	"time"
)

func TestYAMLIsStrict(t *testing.T) {
	for name, tt := range map[string]struct{ yaml, want string }{
		"unknown key":            {"a: 1", "config.yaml line 1: unknown key a; correct or remove it"},
		"merge key":              {"<<: {code_length: 4}", "config.yaml line 1: unknown key; "},
		"key with a dot":         {"\ncode.length: 4", "config.yaml line 2: unknown key code.length"},
		"key that is a number":   {"1: 2", "config.yaml line 1: unknown key; "},
		"key with a digit":       {"code_length2: 4", "config.yaml line 1: unknown key code_length2; "},
		"a secret as the key":    {"k3y9: code_secret", "config.yaml line 1: unknown key; "},
		"key that is a list":     {"? [code_length]\n: 4", "config.yaml line 1: unknown key; "},
		"key of a NAME_FILE":     {"code_secret_file: /x", "unknown key code_secret_file"},
		"key in upper case":      {"CODE_LENGTH: 4", "CODE_LENGTH (config.yaml line 1): unknown key; write it in lower case: code_length"},
		"key given twice":        {"code_length: 4\ncode_length: 5", "CODE_LENGTH (config.yaml line 2): is given twice, first in line 1; keep one"},
		"twice in another case":  {"code_length: 4\nCode_Length: 5", "CODE_LENGTH (config.yaml line 2): is given twice, first in line 1; keep one"},
		"scalar":                 {"hello", "config.yaml: is not a mapping"},
		"list":                   {"- code_length: 4", "config.yaml: is not a mapping"},
		"null":                   {"~", "config.yaml: is not a mapping"},
		"two documents":          {"code_length: 4\n---\ncode_length: 5", "config.yaml: contains several documents; keep one"},
		"second document broken": {"code_length: 4\n---\n\ta: [", "config.yaml line 3: is not valid YAML"},
		"broken":                 {"org_name: a\ncode_length: [4", "is not valid YAML"},
		"tab":                    {"a:\n\tb: 1", "is not valid YAML"},
		"Latin-1":                {"code_length: 6\norg_name: Caf\xe9", "config.yaml line 2: is not UTF-8, perhaps Latin-1 or Windows-1252; save the file as UTF-8"},
		"unknown anchor":         {"org_name: *name", "config.yaml line 1: is not valid YAML: org_name starts with *, which is special in YAML; put the text in quotes"},
		"text with a colon":      {"code_length: 6\nauth_message: Your code: {code}", "config.yaml line 2: is not valid YAML: auth_message has a colon that YAML reads as the end of a key; put the text in quotes"},
		"text ends in a colon":   {"\ufefforg_name: Shop:\ncode_length: 6", "config.yaml line 1: is not valid YAML: org_name has a colon"},
		"text begins with {":     {"code_length: 6\nauth_message: {code} is it\norg_name: x", "config.yaml line 2: is not valid YAML: auth_message starts with {, which opens a mapping; put the text in quotes"},
		"text of braces":         {"auth_message: {code}\\n{org}\r\n", "config.yaml line 1: is not valid YAML: auth_message starts with {"},
		"text begins with [":     {"org_name: [New] Shop", "config.yaml line 1: is not valid YAML: org_name starts with [, which opens a list"},
		"text begins with @":     {"org_name: @shop", "config.yaml line 1: is not valid YAML: org_name starts with @"},
		"text begins with -":     {"org_name: - shop", "config.yaml line 1: is not valid YAML: org_name starts with -"},
		"text behind quotes":     {"org_name: \"Big\" Shop", "config.yaml line 1: is not valid YAML: org_name continues after its closing quote"},
		"unknown name, broken":   {"s3cr3t: x\nother_name: a: b", "config.yaml line 2: is not valid YAML: a value has a colon"},

		"number for text":     {"flowroute_number: 12065550101", `FLOWROUTE_NUMBER (config.yaml line 1): is a YAML number; put it in quotes: "12065550101"`},
		"octal for text":      {"flowroute_number: 0123456701", `is a YAML number; put it in quotes: "0123456701"`},
		"float for text":      {"org_name: 1.5", `is a YAML number; put it in quotes: "1.5"`},
		"infinity for text":   {"org_name: .inf", `is a YAML number; put it in quotes: ".inf"`},
		"boolean for text":    {"org_name: true", `ORG_NAME (config.yaml line 1): is a YAML boolean; put it in quotes: "true"`},
		"boolean for off":     {"admin_addr: false", `ADMIN_ADDR (config.yaml line 1): is a YAML boolean`},
		"date for text":       {"org_name: 2024-01-01", `is a YAML date; put it in quotes: "2024-01-01"`},
		"number for a secret": {"code_secret: 0123", "CODE_SECRET (config.yaml line 1): is a YAML number; put it in quotes"},
		"number for an access key": {
			"flowroute_access_key: 12345678", "FLOWROUTE_ACCESS_KEY (config.yaml line 1): is a YAML number; put it in quotes"},
		"empty secret":          {`code_secret: ""`, "CODE_SECRET (config.yaml line 1): is empty"},
		"null for text":         {"org_name:", "ORG_NAME (config.yaml line 1): has no value"},
		"null for a number":     {"code_length: null", "has no value"},
		"null for a list":       {"api_keys: ~", "has no value"},
		"list for text":         {"org_name: [a]", "ORG_NAME (config.yaml line 1): is a list; give one value"},
		"list for a number":     {"code_length: [4]", "is a list; give one value"},
		"mapping for text":      {"org_name: {a: b}", "is a mapping; give one value, in quotes if it is text that starts with {"},
		"{code} alone":          {"\nauth_message: {code}", "AUTH_MESSAGE (config.yaml line 2): is a mapping; give one value, in quotes if it is text that starts with {"},
		"secret in quotes":      {`code_secret: "'0123456789abcdef'"`, "CODE_SECRET (config.yaml line 1): is in quotes"},
		"mapping for a list":    {"api_keys: {a: b}", "is a mapping; give one value"},
		"tag":                   {"org_name: !x y", "has a YAML tag"},
		"binary":                {"org_name: !!binary aGk=", "has a YAML tag"},
		"number in a list":      {"allowed_prefixes: [\"1206\", 1425]", `ALLOWED_PREFIXES (config.yaml line 1): element 2 is a YAML number; put it in quotes: "1425"`},
		"number for a list":     {"allowed_prefixes: 1206", `is a YAML number; put it in quotes: "1206"`},
		"list in a list":        {"allowed_prefixes: [[\"1206\"]]", "element 1 is not a plain value"},
		"null in a list":        {"allowed_prefixes: [\"1206\", ]\nblocked_prefixes: [~]", "BLOCKED_PREFIXES (config.yaml line 2): element 1 has no value"},
		"empty in a list":       {`allowed_prefixes: ["1206", ""]`, "has an empty element"},
		"commas in an element":  {`allowed_prefixes: ["1206,1425"]`, "element 1"},
		"alias to a list":       {"allowed_prefixes: &a [\"1206\"]\norg_name: *a", "ORG_NAME (config.yaml line 2): is a list"},
		"element within itself": {"allowed_prefixes: &a [*a]", "element 1 is not a plain value"},
		"octal number":          {"code_length: 010", `"010" is not a whole number; write decimal digits without leading zeros`},
		"float":                 {"code_length: 4.0", "is not a whole number"},
		"boolean for a number":  {"code_length: true", "is not a whole number"},
		"number for a duration": {"flowroute_timeout: 10", `has no unit; write "10s"`},
		"float for seconds":     {"code_expiration: 3.6e3", "is not a duration"},
		"number for a boolean":  {"debug_mode: 2", "write true or false"},
		"float for a level":     {"log_level: 10.0", "is not a log level"},
		"empty limits":          {"send_limits: []", "SEND_LIMITS (config.yaml line 1): is empty; write off for no limit"},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, problems(t, Source{Environ: environ(), Dir: dirWith(t, "config.yaml", tt.yaml)}), tt.want)
		})
	}
}

func TestValidYAML(t *testing.T) {
	for name, tt := range map[string]struct {
		yaml string
		ok   func(c *Config) bool
	}{
		"empty":             {"", func(c *Config) bool { return c.CodeLength == 4 }},
		"comments":          {"# nothing\n", func(c *Config) bool { return c.CodeLength == 4 }},
		"mark and comments": {"---\n# nothing\n", func(c *Config) bool { return c.CodeLength == 4 }},
		"empty mapping":     {"{}", func(c *Config) bool { return c.CodeLength == 4 }},
		"mark, Windows":     {"\ufeff---\r\ncode_length: 6\r\n...\r\n", func(c *Config) bool { return c.CodeLength == 6 }},
		"quoted number":     {`code_length: "6"`, func(c *Config) bool { return c.CodeLength == 6 }},
		"seconds":           {"code_expiration: 600", func(c *Config) bool { return c.CodeExpiration == 10*time.Minute }},
		"most seconds":      {"code_expiration: 9000000000", func(c *Config) bool { return c.CodeExpiration == 9_000_000_000*time.Second }},
		"level as a number": {"log_level: 40", func(c *Config) bool { return c.LogLevel == 8 }},
		"off":               {"admin_addr: off\nsend_limits: off\nguess_limits: [off]", func(c *Config) bool { return c.AdminAddr == "" && c.SendLimits == nil && c.GuessLimits == nil }},
		"list of limits":    {"send_limits:\n- 1/1h\n- 2/2h", func(c *Config) bool { return len(c.SendLimits) == 2 }},
		"empty lists":       {"api_keys: []\nallowed_prefixes: ''", func(c *Config) bool { return c.APIKeys == nil && c.AllowedPrefixes == nil }},
		"line break":        {"auth_message: \"a\\n{code}\"", func(c *Config) bool { return c.AuthMessage.Render("1", "", 0) == "a\n1" }},
		"block":             {"auth_message: |-\n  a\n  {code}", func(c *Config) bool { return c.AuthMessage.Render("1", "", 0) == "a\n1" }},
		"empty text":        {"org_name: ''", func(c *Config) bool { return c.OrgName == "" }},
		"alias":             {"org_name: &a x\nredis_key_prefix: *a", func(c *Config) bool { return c.RedisKeyPrefix == "x" }},
		"text by its tag":   {"org_name: !!str 12", func(c *Config) bool { return c.OrgName == "12" }},
		"zero without unit": {"shutdown_delay: 0", func(c *Config) bool { return c.ShutdownDelay == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			if c := mustLoad(t, Source{Environ: environ(), Dir: dirWith(t, "config.yaml", tt.yaml)}); !tt.ok(c) {
				t.Errorf("%q was misread", tt.yaml)
			}
		})
	}
}

// FuzzYAML appends a secret to any text, so that it ends up anywhere: as its own
// value, in another value, in a key, in broken YAML.
func FuzzYAML(f *testing.F) {
	const hidden = "s3cr3t-0123456789-abcdefghijklmnopqrstuvwxyz"
	for _, seed := range []string{
		"code_secret: ", "code_secret: *", "code_secret: &", "code_secret: !", "code_secret: |", "redis_url: redis://u:p%", "redis_url: ",
		"code_secret: [", "code_secret: {a: ", "code_secret:", "log_level: \"", "send_limits: 5/", "api_keys: ", "api_keys: a:", "flowroute_base_url: https://u:",
		"code_length: &a [*a]\norg_name: *a\n", "? ", "- ", "%", "---\n---\n", "a: &a [*a, *a]\n? *a\n: ", "flowroute_timeout: ", "allowed_prefixes: [1, ", "<<: ", "\xff", "\t",
		"profiles: ", "profiles: {", "profiles: {a: ", "profiles: {a: {callers: [", "profiles: {a: {messages: {", "profiles: {a: {messages: {es: ", "profiles: &a {a: *a, b: ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, head string) {
		for _, tail := range []string{hidden, hidden + ":", "\ncode_secret: '" + hidden + "'\ncode_length: 0\n"} {
			c := new(Config)
			l := newLoader(c)
			l.layer(l.yaml("config.yaml", []byte(head+tail)))
			err := l.finish(c)
			if err != nil && strings.Contains(err.Error(), hidden) {
				t.Fatalf("the error repeats a secret: %v", err)
			}
		}
	})
}
