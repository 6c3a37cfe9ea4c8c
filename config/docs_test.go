package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite config.sample.yaml and the settings in README.md")

const (
	sampleFile = "../config.sample.yaml"
	readmeFile = "../README.md"
	begin      = "<!-- settings:begin -->\n"
	end        = "<!-- settings:end -->"
)

func TestSampleFileIsUpToDate(t *testing.T) {
	if *update {
		if err := os.WriteFile(sampleFile, []byte(SampleYAML()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != SampleYAML() {
		t.Errorf("%s is out of date; run go test ./config -update", sampleFile)
	}
}

func TestReadmeIsUpToDate(t *testing.T) {
	data, err := os.ReadFile(readmeFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no README.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	head, rest, foundBegin := strings.Cut(string(data), begin)
	_, tail, foundEnd := strings.Cut(rest, end)
	if !foundBegin || !foundEnd {
		t.Fatalf("%s has no %q and %q", readmeFile, begin, end)
	}
	want := head + begin + Markdown() + end + tail
	if *update {
		if err := os.WriteFile(readmeFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("%s is out of date; run go test ./config -update", readmeFile)
	}
}

// The sample gives the defaults, also in its comments.
func TestSampleGivesTheDefaults(t *testing.T) {
	for _, env := range [][]string{environ(), {"DEBUG_MODE=true", "CODE_SECRET=0123456789abcdef"}} {
		want := mustLoad(t, Source{Environ: env})
		got := mustLoad(t, Source{Environ: env, Dir: dirWith(t, "config.yaml", SampleYAML())})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: the sample changes the settings", env)
		}
	}
	commented := regexp.MustCompile(`(?m)^# ([a-z_]+: [^# \n][^#\n]*)`)
	all := commented.ReplaceAllString(SampleYAML(), "$1")
	all = strings.Replace(all, `flowroute_number: ""`, `flowroute_number: "12065550101"`, 1)
	for _, s := range new(Config).settings() {
		if active := regexp.MustCompile(`(?m)^` + strings.ToLower(s.key) + `:`).MatchString(all); active == s.isSecret() {
			t.Errorf("%s: uncommented it is set: %v, is a secret: %v", s.key, active, s.isSecret())
		}
	}
	got := mustLoad(t, Source{Environ: environ()[:2], Dir: dirWith(t, "config.yaml", all)})
	if !reflect.DeepEqual(got, mustLoad(t, Source{Environ: environ()})) {
		t.Error("the defaults in the comments of the sample are wrong")
	}
}

// Users rely on these names and defaults.
func TestDefaults(t *testing.T) {
	want := map[string]string{
		"FLOWROUTE_ACCESS_KEY": "", "FLOWROUTE_SECRET_KEY": "", "FLOWROUTE_NUMBER": "", "FLOWROUTE_BASE_URL": "https://api.flowroute.com", "FLOWROUTE_INSECURE": "false",
		"FLOWROUTE_TIMEOUT": "10s", "FLOWROUTE_RATE": "5", "REDIS_WAIT_REPLICAS": "0", "MAX_CONNECTIONS": "4096", "MAX_IN_FLIGHT": "1000", "LOG_RATE": "100", "FLOWROUTE_MAX_WAIT": "2s", "CODE_LENGTH": "4", "CODE_EXPIRATION": "3600", "RESEND": "new", "UNVERIFIED_LIMITS": "exchange:20/1h,area:100/1h+50%,all:1000/1h+50%", "UNVERIFIED_MODE": "shadow", "PROFILES": "", "RETRIES_ALLOWED": "3",
		"ORG_NAME": "Your Organization Name", "AUTH_MESSAGE": "{code}\nWelcome to {org}! Use this one-time code to complete your signup.", "CODE_SECRET": "", "CODE_SECRET_PREVIOUS": "",
		"TEST_RECIPIENTS": "", "TEST_RECIPIENTS_UNTIL": "",
		"DEBUG_MODE": "false", "LOG_LEVEL": "info", "LISTEN_ADDR": ":8000", "ADMIN_ADDR": "127.0.0.1:9464", "REDIS_URL": "redis://localhost:6379/0", "REDIS_MODE": "standalone",
		"REDIS_USERNAME": "", "REDIS_PASSWORD": "", "REDIS_TLS_CA": "", "REDIS_TLS_CERT": "", "REDIS_TLS_KEY": "", "IDLE_TIMEOUT": "2m",
		"REDIS_KEY_PREFIX": "smsv:", "API_KEYS": "", "CALLER_IDS": "separate", "CALLER_LIMITS": "off", "CLIENT_LIMITS": "off", "SEND_LIMITS": "5/10m,20/24h", "GUESS_LIMITS": "20/24h", "SEND_LIMITS_TOTAL": "off", "SEGMENT_PRICE": "", "ALLOWED_PREFIXES": "",
		"BLOCKED_PREFIXES": "", "TRUSTED_PROXIES": "", "PUBLIC_URL": "", "WEBHOOK_TOKEN": "", "TWILIO_API": "false", "EXPIRED_NOTICE": "600", "SHUTDOWN_DELAY": "5s", "SHUTDOWN_TIMEOUT": "15s",
	}
	got := map[string]string{}
	for _, s := range new(Config).settings() {
		got[s.key] = s.def
		if s.doc == "" {
			t.Errorf("%s is not documented", s.key)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings and defaults are\n%q, want\n%q", got, want)
	}
}

func TestSettings(t *testing.T) {
	all := new(Config).settings()
	got := Settings()
	if len(got) != len(all) {
		t.Fatalf("%d settings, want %d", len(got), len(all))
	}
	for i, s := range all {
		if got[i].Name != s.key || (got[i].Kind == "secret") != s.isSecret() {
			t.Errorf("setting %d is %v, want %s", i, got[i], s.key)
		}
	}
}

func TestMarkdownHasOneRowPerSetting(t *testing.T) {
	rows := strings.Split(strings.TrimSuffix(Markdown(), "\n"), "\n")[2:]
	all := new(Config).settings()
	if len(rows) != len(all) {
		t.Fatalf("%d rows, want %d", len(rows), len(all))
	}
	for i, s := range all {
		if !strings.HasPrefix(rows[i], "| `"+s.key+"` | ") || strings.HasSuffix(rows[i], "(secret) |") != s.isSecret() || strings.Count(rows[i], "|") != 4 {
			t.Errorf("the row of %s is %q", s.key, rows[i])
		}
	}
}
