package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// Each step adds a stronger source.
func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := Source{Dir: dir, Environ: environ()}
	for _, step := range []struct {
		want string
		add  func()
	}{
		{"Your Organization Name", func() {}},
		{"config.yaml", func() { write("config.yaml", "org_name: config.yaml") }},
		{"credentials.yaml", func() { write("credentials.yaml", "org_name: credentials.yaml") }},
		{"environment", func() { o.Environ = environ("ORG_NAME=environment") }},
		{"flag", func() { o.Flags = flagsWith(t, "--org-name", "flag") }},
		{"", func() { o.Flags = flagsWith(t, "--org-name", "") }},
		{"set", func() { o.Set = map[string]string{"ORG_NAME": "set"} }},
	} {
		step.add()
		if got := mustLoad(t, o).OrgName; got != step.want {
			t.Errorf("got %q, want %q from the strongest source", got, step.want)
		}
	}
}

func TestListsAndBooleansFromEverySource(t *testing.T) {
	dir := dirWith(t, "config.yaml", "allowed_prefixes: [\"1206\", us]\nblocked_prefixes: 1900,1976\ndebug_mode: yes\n")
	c := mustLoad(t, Source{Dir: dir})
	if !slices.Equal(c.AllowedPrefixes, []string{"1206", "us"}) || !slices.Equal(c.BlockedPrefixes, []string{"1900", "1976"}) || !c.DebugMode {
		t.Errorf("from YAML: %q, %q, %v", c.AllowedPrefixes, c.BlockedPrefixes, c.DebugMode)
	}
	c = mustLoad(t, Source{Dir: dir, Flags: flagsWith(t, "--blocked-prefixes", "1900, 1976", "--blocked-prefixes=1809", "--allowed-prefixes", "")})
	if len(c.AllowedPrefixes) != 0 || !slices.Equal(c.BlockedPrefixes, []string{"1900", "1976", "1809"}) {
		t.Errorf("from flags: %q, %q", c.AllowedPrefixes, c.BlockedPrefixes)
	}
	if c = mustLoad(t, Source{Flags: flagsWith(t, "--debug-mode")}); !c.DebugMode {
		t.Error("--debug-mode alone does not turn it on")
	}
	if c = mustLoad(t, Source{Dir: dir, Environ: environ(), Flags: flagsWith(t, "--debug-mode=no")}); c.DebugMode {
		t.Error("--debug-mode=no does not turn it off")
	}
	wantOne(t, problems(t, Source{Environ: environ(), Flags: flagsWith(t, "--blocked-prefixes", "1900,,1976")}), "BLOCKED_PREFIXES (--blocked-prefixes)", "empty element")
	wantOne(t, problems(t, Source{Environ: environ(), Flags: flagsWith(t, "--code-length", "010")}), "CODE_LENGTH (--code-length)", "leading zeros")
}

func TestZeroSourceReadsNothing(t *testing.T) {
	t.Chdir(dirWith(t, "config.yaml", "code_length: 9\n", "credentials.yaml", "no mapping"))
	t.Setenv("CODE_LENGTH", "8")
	t.Setenv("REDIS_URL", "redis://elsewhere")
	c := mustLoad(t, Source{Set: map[string]string{"DEBUG_MODE": "true", "LISTEN_ADDR": "127.0.0.1:0"}})
	if c.CodeLength != 4 || c.ListenAddr != "127.0.0.1:0" {
		t.Errorf("code length %d, listen %s", c.CodeLength, c.ListenAddr)
	}
	wantOne(t, problems(t, Source{Set: map[string]string{"DEBUG_MODE": "true", "NO_SUCH": "x"}}), "NO_SUCH", "unknown")
}

func TestEmptyVariableIsNotSet(t *testing.T) {
	env := environ("ORG_NAME=", "CODE_SECRET=", "CODE_SECRET_FILE=", "SEND_LIMITS=", "REDIS_URL=", "REDIS_URL_FILE=")
	c := mustLoad(t, Source{Environ: env, Dir: dirWith(t, "config.yaml", "org_name: file\n")})
	if c.OrgName != "file" || len(c.SendLimits) != 2 || c.RedisURL != "redis://localhost:6379/0" {
		t.Errorf("organization %q, limits %v, Redis %q", c.OrgName, c.SendLimits, c.RedisURL.Reveal())
	}
}

func TestForeignVariablesAreIgnored(t *testing.T) {
	mustLoad(t, Source{Environ: environ("REDIS_PORT=tcp://10.0.0.1:6379", "PORT=tcp://1", "CODE_LENGTHS=x", "code_length=x", "FLOWROUTE_SERVICE_HOST=10.0.0.2", "ORG_NAME_FILE=/no", "=x", "x")})
}

func TestFiles(t *testing.T) {
	good := dirWith(t, "my.yaml", "code_length: 7\n", "config.yaml", "code_length: 8\n", "keys.yaml", "code_secret: abc-0123456789abcdef\n", "credentials.yaml", "code_secret: def-0123456789abcdef\n")
	my, keys := filepath.Join(good, "my.yaml"), filepath.Join(good, "keys.yaml")
	for name, o := range map[string]Source{
		"fields": {Dir: good, ConfigFile: my, CredentialsFile: keys},
		"flags":  {Dir: good, Flags: flagsWith(t, "--config", my, "--credentials", keys)},
	} {
		o.Environ = environ()
		if c := mustLoad(t, o); c.CodeLength != 7 || string(c.CodeSecret()) != "abc-0123456789abcdef" {
			t.Errorf("%s: the named files do not replace those in the directory", name)
		}
	}
	folder := t.TempDir()
	for _, name := range []string{"config.yaml", "credentials.yaml"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	missing := filepath.Join(folder, "missing.yaml")
	for name, tt := range map[string]struct {
		o    Source
		want string
	}{
		"missing config":      {Source{ConfigFile: missing}, missing + ": cannot be read: no such file"},
		"missing credentials": {Source{CredentialsFile: missing}, missing + ": cannot be read: no such file"},
		"missing by flag":     {Source{Flags: flagsWith(t, "--config", missing)}, missing + ": cannot be read"},
		"empty flag":          {Source{Flags: flagsWith(t, "--credentials", "")}, "--credentials: is empty; give a file name"},
		"a directory":         {Source{ConfigFile: folder}, folder + ": cannot be read: is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Environ = environ()
			wantOne(t, problems(t, tt.o), tt.want)
		})
	}
	got := problems(t, Source{Environ: environ(), Dir: folder})
	if len(got) != 2 || !strings.HasPrefix(got[0], "config.yaml: cannot be read") || !strings.HasPrefix(got[1], "credentials.yaml: cannot be read") {
		t.Errorf("directories instead of files: %q", got)
	}
}

func TestSecretFiles(t *testing.T) {
	const secret = "abc-0123456789abcdef"
	dir := dirWith(t, "plain", secret, "newline", secret+"\n", "windows", "\ufeff"+secret+"\r\n", "blanks", " \t"+secret+" \n\n", "inner", "a\n"+secret+" \n",
		"empty", "", "blank", "\ufeff\r\n", "quoted", "\""+secret+"\"\n")
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, want := range map[string]string{"plain": secret, "newline": secret, "windows": secret, "blanks": secret, "inner": "a\n" + secret} {
		if c := mustLoad(t, Source{Environ: environ("CODE_SECRET_FILE=" + at(name))}); string(c.CodeSecret()) != want {
			t.Errorf("%s was read as %q, want %q", name, c.CodeSecret(), want)
		}
	}
	c := mustLoad(t, Source{Environ: environ("CODE_SECRET_FILE=" + at("plain")), Dir: dirWith(t, "credentials.yaml", "code_secret: def-0123456789abcdef")})
	if string(c.CodeSecret()) != secret {
		t.Error("CODE_SECRET_FILE must be as strong as CODE_SECRET")
	}
	for name, want := range map[string]string{"empty": "empty", "blank": "empty", "quoted": "remove the quotes", "missing": "cannot be read", ".": "cannot be read"} {
		got := problems(t, Source{Environ: environ("CODE_SECRET_FILE=" + at(name))})
		wantOne(t, got, "CODE_SECRET (CODE_SECRET_FILE): ", want)
	}
	for _, s := range new(Config).settings() {
		if s.isSecret() {
			got := problems(t, Source{Environ: []string{"DEBUG_MODE=true", s.key + "=redis://x", s.key + "_FILE=" + at("plain")}})
			wantOne(t, got, s.key+" (environment): ", s.key+"_FILE is set too; keep one")
		}
	}
}

func TestRequired(t *testing.T) {
	got := problems(t, Source{})
	for _, key := range []string{"FLOWROUTE_ACCESS_KEY", "FLOWROUTE_SECRET_KEY", "FLOWROUTE_NUMBER"} {
		if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, key+": is required; set it in ") }) {
			t.Errorf("%q does not name %s", got, key)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d problems, want 3: %q", len(got), got)
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	dir := dirWith(t,
		"config.yaml", "code_length: many\nnonsense: 1\nflowroute_number: 12065550101\nlog_level: [info]\n",
		"credentials.yaml", "flowroute_access_key: 12345678\ncode_secret: a-0123456789abcdef\ncode_secret: b\n")
	_, err := Load(Source{
		Dir:     dir,
		Environ: []string{"SEND_LIMITS=5", "FLOWROUTE_SECRET_KEY_FILE=/no/such/file", "FLOWROUTE_BASE_URL=http://example.com"},
		Flags:   flagsWith(t, "--retries-allowed", "0"),
	})
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Load returned %v", err)
	}
	want := []string{
		"config.yaml line 2: unknown key nonsense",
		`FLOWROUTE_NUMBER (config.yaml line 3): is a YAML number; put it in quotes: "12065550101"`,
		"LOG_LEVEL (config.yaml line 4): is a list",
		"FLOWROUTE_ACCESS_KEY (credentials.yaml line 1): is a YAML number; put it in quotes",
		"CODE_SECRET (credentials.yaml line 3): is given twice, first in line 2",
		"FLOWROUTE_SECRET_KEY (FLOWROUTE_SECRET_KEY_FILE): the file cannot be read",
		"CODE_LENGTH (config.yaml line 1): \"many\" is not a whole number",
		"RETRIES_ALLOWED (--retries-allowed): ",
		"SEND_LIMITS (environment): ",
		"FLOWROUTE_BASE_URL (environment): ",
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
	for i := range min(len(lines), len(want)) {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("line %d is %q, want %q", i+1, lines[i], want[i])
		}
	}
}

func TestFlagsAreThoseOfTheSettings(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs)
	want, got := []string{"config", "credentials"}, []string{}
	for _, s := range new(Config).settings() {
		if !s.isSecret() {
			want = append(want, flagName(s.key))
		}
	}
	slices.Sort(want)
	fs.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name) })
	if !slices.Equal(got, want) {
		t.Errorf("flags %q, want %q", got, want)
	}
}

// Flags that were not given hold their defaults, which must not override weaker
// sources.
func TestUnchangedFlagsDoNotOverride(t *testing.T) {
	c := mustLoad(t, Source{Environ: environ("CODE_LENGTH=8"), Flags: flagsWith(t), Dir: dirWith(t, "config.yaml", "flowroute_timeout: 3s\n")})
	if c.CodeLength != 8 || c.FlowrouteTimeout != 3*time.Second || c.DebugMode {
		t.Errorf("code length %d, timeout %s", c.CodeLength, c.FlowrouteTimeout)
	}
	c = mustLoad(t, Source{Environ: []string{"DEBUG_MODE=1"}, Flags: flagsWith(t)})
	if c.ListenAddr != "127.0.0.1:8000" {
		t.Errorf("with flags, debug mode listens on %s", c.ListenAddr)
	}
}

// TestIgnoredFiles: a warning names config.yml and credentials.yml, which are not
// read.
func TestIgnoredFiles(t *testing.T) {
	dir := dirWith(t, "config.yml", "code_length: 8\n", "credentials.yml", "code_secret: x\n")
	want := []string{"config.yml is not read; rename it to config.yaml, or name it with --config", "credentials.yml is not read; rename it to credentials.yaml, or name it with --credentials"}
	c := mustLoad(t, Source{Environ: environ("API_KEYS=a:" + hashOf("1")), Dir: dir})
	if got := c.Warnings(); !slices.Equal(got, want) || c.CodeLength != 4 {
		t.Errorf("warnings %q, want %q", got, want)
	}
	_, err := Load(Source{Dir: dir})
	var wrong *Error
	if !errors.As(err, &wrong) || !slices.Equal(wrong.Warnings, want) || !strings.Contains(err.Error(), "\nWarning: config.yml is not read") {
		t.Errorf("with problems: %v", err)
	}
	named := Source{Environ: environ("API_KEYS=a:" + hashOf("1")), Dir: dir, ConfigFile: filepath.Join(dir, "config.yml"), CredentialsFile: filepath.Join(dirWith(t, "c", ""), "c")}
	if c := mustLoad(t, named); len(c.Warnings()) != 0 || c.CodeLength != 8 {
		t.Errorf("named: warnings %q", c.Warnings())
	}
}

// TestRedisTLSFiles: settings that belong together are checked together, and
// CheckRedis runs only if they are right.
func TestRedisTLSFiles(t *testing.T) {
	redis, other := redistest.NewAuthority(t), redistest.NewAuthority(t).CertFile
	cert, key := redis.CertFile, redis.KeyFile
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{
		"no key":         {[]string{"REDIS_URL=rediss://h", "REDIS_TLS_CERT=" + cert}, "REDIS_TLS_KEY: is required with REDIS_TLS_CERT"},
		"no certificate": {[]string{"REDIS_URL=rediss://h", "REDIS_TLS_KEY=" + key}, "REDIS_TLS_CERT: is required with REDIS_TLS_KEY"},
		"wrong key":      {[]string{"REDIS_URL=rediss://h", "REDIS_TLS_CERT=" + other, "REDIS_TLS_KEY=" + key}, "REDIS_TLS_CERT (environment): cannot be used with REDIS_TLS_KEY: tls: private key does not match public key"},
		"a key as CA":    {[]string{"REDIS_URL=rediss://h", "REDIS_TLS_CA=" + key}, "REDIS_TLS_CA (environment): the file contains no certificate"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, problems(t, Source{Environ: environ(tt.env...)}), tt.want) })
	}
	got := problems(t, Source{Environ: environ("REDIS_TLS_CA="+cert, "REDIS_TLS_CERT="+cert, "REDIS_TLS_KEY="+key)})
	if len(got) != 3 {
		t.Errorf("without TLS: %q, want all three", got)
	}
	refuse := func(*Config) error { return errors.New("refused") }
	wantOne(t, problems(t, Source{Environ: environ("REDIS_URL=rediss://h", "REDIS_TLS_CA="+cert), CheckRedis: refuse}), "REDIS_URL (environment): refused")
}

// TestLoadAdminAddr: problems with other settings do not matter.
func TestLoadAdminAddr(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{nil, "127.0.0.1:9464"},
		{[]string{"CODE_LENGTH=none", "CODE_SECRET=a", "CODE_SECRET_FILE=/nonexistent"}, "127.0.0.1:9464"},
		{[]string{"ADMIN_ADDR=10.0.0.1:1"}, "10.0.0.1:1"},
		{[]string{"ADMIN_ADDR=off"}, ""},
	} {
		if got, err := LoadAdminAddr(Source{Environ: c.set}); err != nil || got != c.want {
			t.Errorf("%v: %q, %v; want %q", c.set, got, err, c.want)
		}
	}
	if _, err := LoadAdminAddr(Source{Environ: []string{"ADMIN_ADDR=nowhere"}}); err == nil {
		t.Error("an invalid address was accepted")
	}
}
