package config

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func testRecipients(t *testing.T, list ...string) codes.TestRecipients {
	t.Helper()
	r, err := codes.ParseTestRecipients(list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type goodValue struct {
	text string
	want any
}

func goodValues(t *testing.T) map[string][]goodValue {
	const long = time.Duration(9_000_000_000) * time.Second
	bools := []goodValue{{"true", true}, {"TRUE", true}, {"1", true}, {"yes", true}, {"On", true}, {"t", true},
		{"false", false}, {"0", false}, {"NO", false}, {"off", false}, {" true\r", true}}
	cidr := netip.MustParsePrefix
	redis := redistest.NewAuthority(t)
	return map[string][]goodValue{
		"FLOWROUTE_ACCESS_KEY": {{"0123", Secret("0123")}, {" a b\r\n", Secret("a b")}},
		"FLOWROUTE_SECRET_KEY": {{"s", Secret("s")}},
		"FLOWROUTE_NUMBER":     {{"12065550101", codes.Phone("12065550101")}, {"12065550101 ", codes.Phone("12065550101")}},
		"FLOWROUTE_BASE_URL": {
			{"https://api.flowroute.com/", "https://api.flowroute.com"}, {"https://proxy:8443/fr/", "https://proxy:8443/fr"}, {"https://h/v2.1/fr", "https://h/v2.1/fr"},
			{"HTTPS://x", "HTTPS://x"}, {"http://localhost:1234", "http://localhost:1234"}, {"http://127.8.9.1", "http://127.8.9.1"}, {"http://[::1]:80/", "http://[::1]:80"}},
		"FLOWROUTE_INSECURE":  bools,
		"FLOWROUTE_TIMEOUT":   {{"100ms", 100 * time.Millisecond}, {"13s", 13 * time.Second}},
		"FLOWROUTE_RATE":      {{"0", 0}, {"10000", 10000}},
		"REDIS_WAIT_REPLICAS": {{"0", 0}, {"100", 100}},
		"MAX_CONNECTIONS":     {{"1", 1}, {"1000000", 1_000_000}},
		"MAX_IN_FLIGHT":       {{"1", 1}, {"1000000", 1_000_000}},
		"LOG_RATE":            {{"0", 0}, {"1000000", 1_000_000}},
		"FLOWROUTE_MAX_WAIT":  {{"0", time.Duration(0)}, {"0s", time.Duration(0)}, {"1.5s", 1500 * time.Millisecond}},
		"CODE_LENGTH":         {{"1", 1}, {"1000", 1000}, {" 6 ", 6}},
		"CODE_EXPIRATION":     {{"1", time.Second}, {"3600", time.Hour}, {"10m", 10 * time.Minute}, {"1h0.5m", 3630 * time.Second}, {"9000000000", long}, {"2500000h", long}},
		"RETRIES_ALLOWED":     {{"1", int64(1)}, {"9007199254740991", int64(1<<53 - 1)}},
		"ORG_NAME":            {{"{}\\ {org} Zoë 漢", "{}\\ {org} Zoë 漢"}, {"42", "42"}, {" ", " "}},
		"AUTH_MESSAGE":        {{"{}", "123"}, {"a\\n{b} {code}\n", "a\\n{b} 123\n"}, {" {code}/{org}/{minutes}", " 123/O/60"}},
		"CODE_SECRET":         {{"0123456789abcdef", Secret("0123456789abcdef")}},
		"CODE_SECRET_PREVIOUS": {
			{"0123", Secret("0123")}},
		"TEST_RECIPIENTS": {{"15005550001=000000", testRecipients(t, "15005550001=000000")},
			{"+15005550001 = 0042 , 15005550002=7", testRecipients(t, "15005550001=0042", "15005550002=7")}},
		"TEST_RECIPIENTS_UNTIL": {{"2030-01-31", time.Date(2030, 2, 1, 0, 0, 0, 0, time.UTC)},
			{"2030-01-31T12:00:00Z ", time.Date(2030, 1, 31, 12, 0, 0, 0, time.UTC)}, {"2001-01-01", time.Date(2001, 1, 2, 0, 0, 0, 0, time.UTC)}},
		"DEBUG_MODE": bools,
		"LOG_LEVEL": {{"debug", slog.LevelDebug}, {"Info", slog.LevelInfo}, {"WARNING", slog.LevelWarn}, {"warn", slog.LevelWarn}, {"error", slog.LevelError},
			{"CRITICAL", slog.LevelError}, {"10", slog.LevelDebug}, {"20", slog.LevelInfo}, {"30", slog.LevelWarn}, {"40", slog.LevelError}, {"50", slog.LevelError}},
		"LISTEN_ADDR":       {{":0", ":0"}, {"0.0.0.0:65535", "0.0.0.0:65535"}, {"[::1]:80", "[::1]:80"}, {"my-host.local:80", "my-host.local:80"}},
		"ADMIN_ADDR":        {{"off", ""}, {"OFF", ""}, {":9464", ":9464"}},
		"REDIS_URL":         {{"redis://u:p@h:1/2?addr=b:2", Secret("redis://u:p@h:1/2?addr=b:2")}, {"rediss://h", Secret("rediss://h")}, {"unix:///run/redis.sock?db=1", Secret("unix:///run/redis.sock?db=1")}},
		"REDIS_MODE":        {{"standalone", "standalone"}, {"sentinel", "sentinel"}, {"cluster", "cluster"}},
		"REDIS_USERNAME":    {{"smsv ", "smsv"}, {"a:b@c", "a:b@c"}},
		"REDIS_PASSWORD":    {{"p%/@ '", Secret("p%/@ '")}},
		"REDIS_TLS_CA":      {{redis.File, redis.File}},
		"REDIS_TLS_CERT":    {{redis.CertFile, redis.CertFile}},
		"REDIS_TLS_KEY":     {{redis.KeyFile, redis.KeyFile}},
		"IDLE_TIMEOUT":      {{"100ms", 100 * time.Millisecond}, {"24h", 24 * time.Hour}},
		"REDIS_KEY_PREFIX":  {{"a", "a"}, {"smsv:prod:", "smsv:prod:"}, {strings.Repeat("x", 64), strings.Repeat("x", 64)}},
		"API_KEYS":          {{"a:" + hashOf("1") + ", a:" + strings.ToUpper(hashOf("2")), []APIKey{{"a", sha256.Sum256([]byte("1"))}, {"a", sha256.Sum256([]byte("2"))}}}, {" ", []APIKey(nil)}},
		"CALLER_IDS":        {{"separate", false}, {"shared", true}},
		"UNVERIFIED_LIMITS": {{"exchange:1/1m", codes.Unverified{Mode: codes.UnverifiedShadow, Exchange: []codes.Window{{Max: 1, Span: time.Minute, Text: "exchange:1/1m"}}}}},
		"UNVERIFIED_MODE":   {{"off", codes.UnverifiedOff}, {"enforce", codes.UnverifiedEnforce}},
		"RESEND":            {{"new", false}, {"same", true}},
		"PROFILES":          {{"{}", []Profile(nil)}, {" # none\n", []Profile(nil)}, {"---", []Profile(nil)}},
		"CALLER_LIMITS":     {{"off", map[string][]codes.Window(nil)}, {"*:1000000/24h", map[string][]codes.Window{"*": codestest.Windows(t, "1000000/24h")}}},
		"CLIENT_LIMITS":     {{"off", []codes.Window(nil)}, {"2/1h,10000/24h", codestest.Windows(t, "2/1h", "10000/24h")}},
		"SEND_LIMITS":       {{"1/1s", codestest.Windows(t, "1/1s")}, {"10000/24h", codestest.Windows(t, "10000/24h")}, {" 5/10m , 20/24h", codestest.Windows(t, "5/10m", "20/24h")}, {"off", []codes.Window(nil)}},
		"GUESS_LIMITS":      {{"off", []codes.Window(nil)}, {"3/1h", codestest.Windows(t, "3/1h")}},
		"SEND_LIMITS_TOTAL": {{"1000000/1h", codestest.Windows(t, "1000000/1h")}},
		"SEGMENT_PRICE":     {{"0.0040", 0.004}, {"1", 1.0}, {" 9999.000001", 9999.000001}, {" ", 0.0}},
		"ALLOWED_PREFIXES":  {{"1, 1206,12065550101,us", []string{"1", "1206", "12065550101", "us"}}},
		"BLOCKED_PREFIXES":  {{"premium", []string{"premium"}}},
		"TRUSTED_PROXIES": {{"10.0.0.0/8, 192.0.2.7,::1,2001:db8::1/32,::ffff:10.0.0.1",
			[]netip.Prefix{cidr("10.0.0.0/8"), cidr("192.0.2.7/32"), cidr("::1/128"), cidr("2001:db8::/32"), cidr("10.0.0.1/32")}}},
		"PUBLIC_URL": {{"https://sms.example.com/", "https://sms.example.com"}, {"https://h:8443/a/b", "https://h:8443/a/b"},
			{"http://127.0.0.1:8000", "http://127.0.0.1:8000"}, {"http://localhost", "http://localhost"}, {"http://[::1]:80/", "http://[::1]:80"}},
		"WEBHOOK_TOKEN":    {{testToken, Secret(testToken)}, {" 0123456789abcdef", Secret("0123456789abcdef")}, {strings.Repeat("~", 128), Secret(strings.Repeat("~", 128))}},
		"TWILIO_API":       bools,
		"EXPIRED_NOTICE":   {{"0", time.Duration(0)}, {"86400", 24 * time.Hour}, {"24h", 24 * time.Hour}},
		"SHUTDOWN_DELAY":   {{"0", time.Duration(0)}, {"10m", 10 * time.Minute}},
		"SHUTDOWN_TIMEOUT": {{"12s", 12 * time.Second}, {"1h", time.Hour}},
	}
}

// loaded returns what was loaded for a setting: the field of its name, with exceptions.
func loaded(c *Config, key string) any {
	switch key {
	case "AUTH_MESSAGE":
		return string(c.AuthMessage.Render("123", "O", time.Hour))
	case keyCodeSecret:
		return Secret(c.CodeSecret())
	case keyPreviousSecret:
		return Secret(c.PreviousCodeSecret())
	case "UNVERIFIED_LIMITS":
		return c.Unverified
	case "UNVERIFIED_MODE":
		return c.Unverified.Mode
	case "RESEND":
		return c.SameCode
	case "CALLER_IDS":
		return c.SharedIDs
	}
	name := strings.ReplaceAll(key, "_", "")
	return reflect.ValueOf(*c).FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) }).Interface()
}

func TestGoodValues(t *testing.T) {
	good := goodValues(t)
	for _, s := range new(Config).settings() {
		if len(good[s.key]) == 0 {
			t.Errorf("%s has no test", s.key)
		}
		for _, v := range good[s.key] {
			env := append([]string{s.key + "=" + v.text}, environ("TEST_RECIPIENTS_UNTIL=9999-12-31")...)
			sibling := filepath.Dir(v.text)
			switch s.key { // settings that are required together
			case keyRedisCA:
				env = append(env, "REDIS_URL=rediss://h")
			case keyRedisCert:
				env = append(env, "REDIS_URL=rediss://h", keyRedisKey+"="+sibling+"/key")
			case keyRedisKey:
				env = append(env, "REDIS_URL=rediss://h", keyRedisCert+"="+sibling+"/cert")
			case keyPublicURL:
				env = append(env, keyWebhookToken+"="+testToken)
			case keyWebhookToken:
				env = append(env, keyPublicURL+"=https://sms.example.com")
			}
			c, err := Load(Source{Environ: env})
			if err != nil {
				t.Errorf("%s=%q: %v", s.key, v.text, err)
				continue
			}
			if got := loaded(c, s.key); !reflect.DeepEqual(got, v.want) {
				// reflect.Value prints secrets in clear text.
				t.Errorf("%s=%q was read as %v, want %v", s.key, v.text, reflect.ValueOf(got), reflect.ValueOf(v.want))
			}
		}
	}
}

func TestBadValues(t *testing.T) {
	long := strings.Repeat("x", 65)
	bools := []string{"maybe", "2", "truefalse", " "}
	limits := []string{" ", "5", "5/", "/10m", "0/10m", "5/10", "5/1ms", "off,5/10m", "5/10m,,6/1h", "5/10m,", "1000001/1h", long, strings.Repeat("5/10m,", 100) + "5/10m"}
	secrets := []string{"a\xff", `"quoted-0123456789"`, "'quoted-0123456789'", " `quoted-0123456789`\n", `"`, "\ufeff \n"}
	noPEM := filepath.Join(dirWith(t, "f", "no PEM"), "f")
	pemFile := []string{"/no/such/file", noPEM, "-----BEGIN CERTIFICATE-----", "/"}
	prefixes := []string{"206", "0", "1206,", "120655501012", "+1206", "1-206", "US", "us1", long}
	bad := map[string][]string{
		"FLOWROUTE_ACCESS_KEY": secrets,
		"FLOWROUTE_SECRET_KEY": secrets,
		"FLOWROUTE_NUMBER":     {"2065550101", "+12065550101", "22065550101", "120655501011", "1206555010x", "1-206-555-0101", "١٢٠٦٥٥٥٠١٠١"},
		"FLOWROUTE_BASE_URL": {"api.flowroute.com", "//api.flowroute.com", "ftp://x", "https://", "https://:443", "https://h/?a=1", "https://h/?", "https://h/#", "https://h/#f",
			"https://u@h", "https://u:p@h", "http://api.flowroute.com", "http://128.0.0.1", "http://localhost.evil.com", "http://127.0.0.1.evil.com", "http://[::2]", "https://h:port", "\x01",
			"https://h/v2.1", "https://h/V2/", "https://h/fr//v2.1/messages/", "https://h/messages"},
		"FLOWROUTE_INSECURE":  bools,
		"FLOWROUTE_TIMEOUT":   {"10", "0", "99ms", "5m1s", "-1s", "ten", "1d", "9999999999h", " "},
		"REDIS_WAIT_REPLICAS": {"-1", "101", "all"},
		"MAX_CONNECTIONS":     {"0", "1000001", "off"},
		"MAX_IN_FLIGHT":       {"0", "1000001", "many"},
		"LOG_RATE":            {"-1", "1000001", "off"},
		"FLOWROUTE_RATE":      {"-1", "10001", "1.5", "05", "0x5", "5/s", "many"},
		"FLOWROUTE_MAX_WAIT":  {"2", "61s", "-1s"},
		"CODE_LENGTH":         {"0", "1001", "-4", "010", "+4", "many", "4.0", "1e1", "1_0", "0b11", "99999999999999999999", "४", " "},
		"CODE_EXPIRATION": {"0", "0s", "-1", "9000000001", "9223372037", "99999999999999999999", "18446744073709551617", "1.5s", "500ms", "010", "1e3", "3600.0",
			"2500000h1s", "2562048h", "-10m", "1d", "many", "--", "1-1"},
		"RETRIES_ALLOWED":      {"0", "-1", "9007199254740992", "9223372036854775808", "03"},
		"ORG_NAME":             {"a\xff"},
		"AUTH_MESSAGE":         {"no code", "{ code }", "{org}", "{code}\xff"},
		"CODE_SECRET":          append(secrets, "0123456789abcde", " 0123456789abcde "),
		"CODE_SECRET_PREVIOUS": secrets,
		"TEST_RECIPIENTS": {"15005550001", "15005550001=", "=1234", "5005550001=1234", "15005550001=12x4", "15005550001:1234", "15005550001=1234,",
			"15005550001=1234,+15005550001=4321", "off"},
		"TEST_RECIPIENTS_UNTIL": {"tomorrow", "2030-02-30", "2030-1-31", "31.01.2030", "2030-01-31 12:00", "2030-01-31T12:00:00", "1893456000"},
		"DEBUG_MODE":            bools,
		"LOG_LEVEL":             {"trace", "0", "15", "warn!", long},
		"LISTEN_ADDR":           {"8000", "host", ":", ":http", ":65536", ":-1", "off", "http://0.0.0.0:8000", "::1:80", "a b:80", "a/b:80", "[x]:y"},
		"ADMIN_ADDR":            {"none", "9464", "tcp://10.0.0.1:9464"},
		"REDIS_URL":             {"localhost:6379", "http://h", "redis:h", "redis://u:p%@h", "redis://h:port", "h", "tcp://10.0.0.1:6379", `"redis://h"`},
		"REDIS_MODE":            {"Cluster", "replica", "standalone,cluster"},
		"REDIS_USERNAME":        {"a\xff"},
		"REDIS_PASSWORD":        secrets,
		"REDIS_TLS_CA":          pemFile,
		"REDIS_TLS_CERT":        pemFile,
		"REDIS_TLS_KEY":         pemFile,
		"IDLE_TIMEOUT":          {"120", "0", "99ms", "25h"},
		"REDIS_KEY_PREFIX":      {"a b", "a\t", "{a}", "}", "a*", "a?", "[", "]", `\`, "é", "a\x7f", long, " a"},
		"API_KEYS":              {"a", "a:", ":" + hashOf("1"), "a:" + hashOf("1")[1:], "a:" + hashOf("1") + "0", "a b:" + hashOf("1"), long + ":" + hashOf("1"), hashOf("1"), "a:" + strings.Repeat("g", 64), "a:" + hashOf("1") + ",b:" + strings.ToUpper(hashOf("1")), "a:" + hashOf("1") + ","},
		"CALLER_IDS":            {"Shared", "apart"},
		"RESEND":                {"Same", "old"},
		"UNVERIFIED_LIMITS":     {"off", "20/1h", "exchange:", "exchange:0/1h", "exchange:20/25h", "area:1/1h+", "area:1/1h+50", "area:1/1h+0%", "country:1/1h", "exchange:1/1h,", strings.Repeat("all:1/1h,", 100) + "all:1/1h"},
		"UNVERIFIED_MODE":       {"Shadow", "on"},
		"PROFILES":              {"login", "~", "[login]", "6", "{} # \xff", "\"{}\"", "{login: {}", "Login: {}", "a_b: {}", "[a]: {}", strings.Repeat("x", 33) + ": {}"},
		"CALLER_LIMITS":         {"5/10m", ":5/10m", "a:", "a:off", "a:5", "a:5/10m,", "nobody:5/10m", "*:1000001/1h", strings.Repeat("a", 100) + ":1/1h", strings.Repeat("*:1/1h,", 100) + "*:1/1h"},
		"CLIENT_LIMITS":         append(limits, "10001/24h"),
		"SEND_LIMITS":           append(limits, "10001/24h"),
		"GUESS_LIMITS":          append(limits, "5/10m,10001/1h"),
		"SEND_LIMITS_TOTAL":     limits,
		"SEGMENT_PRICE":         {"0", "0.000000", "-0.004", "0,004", "$0.004", "1e-3", ".004", "1.", "00.4", "0.0000001", "10000", "NaN"},
		"ALLOWED_PREFIXES":      prefixes,
		"BLOCKED_PREFIXES":      prefixes,
		"TRUSTED_PROXIES":       {"10.0.0.0/33", "10.0.0", "host", "10.0.0.0/8,", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.0/08", "*"},
		"PUBLIC_URL": {"sms.example.com", "//h", "ftp://h", "https://", "https://h/?a=1", "https://h/?", "https://h/#f", "https://u@h", "https://u:p@h",
			"http://sms.example.com", "http://10.0.0.1", "http://localhost.evil.com", "\x01", "https://h/webhooks/flowroute/"},
		"WEBHOOK_TOKEN":    {"0123456789abcde", "0123456789abcdef/", "0123456789abcdef%20", "0123456789abcdeé", strings.Repeat("x", 129), " "},
		"TWILIO_API":       bools,
		"EXPIRED_NOTICE":   {"-1", "86401", "25h", "0.5s", "010"},
		"SHUTDOWN_DELAY":   {"5", "-1s", "10m1s"},
		"SHUTDOWN_TIMEOUT": {"15", "11999ms", "0", "61m"},
	}
	for _, s := range new(Config).settings() {
		if len(bad[s.key]) == 0 {
			t.Errorf("%s has no test", s.key)
		}
		for _, text := range bad[s.key] {
			_, err := Load(Source{Environ: append([]string{s.key + "=" + text, "REDIS_URL=rediss://h"}, environ("TEST_RECIPIENTS_UNTIL=9999-12-31")...)})
			if err == nil {
				t.Errorf("%s=%q was accepted", s.key, text)
				continue
			}
			got := err.(*Error).Problems
			if len(got) != 1 || !strings.HasPrefix(got[0], s.key+" (environment): ") {
				t.Errorf("%s=%q: %q, want one problem that names the setting", s.key, text, got)
			}
		}
	}
}

func TestMessagesSayWhatToDo(t *testing.T) {
	for _, tt := range []struct{ set, want string }{
		{"FLOWROUTE_TIMEOUT=10", `FLOWROUTE_TIMEOUT (environment): "10" has no unit; write "10s" for seconds`},
		{"CODE_LENGTH=many", `CODE_LENGTH (environment): "many" is not a whole number; write decimal digits without leading zeros`},
		{"CODE_LENGTH=1001", `CODE_LENGTH (environment): "1001" is out of range; write 1 to 1000`},
		{"CODE_EXPIRATION=1.5s", `CODE_EXPIRATION (environment): "1.5s" is not a whole number of seconds; round it`},
		{"SEND_LIMITS=1000000/24h", `SEND_LIMITS (environment): "1000000/24h" is above the maximum of 10000, beyond which requests for one number or client become slow; write at most 10000/24h, or off`},
		{"FLOWROUTE_BASE_URL=https://api.flowroute.com/v2.1/messages", "FLOWROUTE_BASE_URL (environment): ends in /v2.1/messages, which the service adds itself; write https://api.flowroute.com"},
		{"FLOWROUTE_BASE_URL=https://proxy/fr/v2.1/", "FLOWROUTE_BASE_URL (environment): ends in /v2.1, which the service adds itself; remove it"},
		{"PUBLIC_URL=https://h/webhooks/flowroute/" + testToken, "PUBLIC_URL (environment): contains /webhooks/flowroute, which the service adds itself; remove it and everything after it"},
		{"REDIS_TLS_CA=" + redistest.NewAuthority(t).File, "REDIS_TLS_CA (environment): needs TLS, but REDIS_URL does not start with rediss://; change the URL, or remove this setting"},
		{"AUTH_MESSAGE=hello", "AUTH_MESSAGE (environment): must contain the code: {code} or {}"},
		{"FLOWROUTE_BASE_URL=http://example.com", "FLOWROUTE_BASE_URL (environment): would send the credentials in clear text; write https://, or set FLOWROUTE_INSECURE=true"},
		{"SHUTDOWN_TIMEOUT=11s", "SHUTDOWN_TIMEOUT (environment): 11s is shorter than FLOWROUTE_TIMEOUT + FLOWROUTE_MAX_WAIT; write at least 12s"},
		{"PUBLIC_URL=http://sms.example.com", "PUBLIC_URL (environment): would send receipts, which contain codes, in clear text; write https://"},
		{"PUBLIC_URL=https://sms.example.com", "WEBHOOK_TOKEN: is required with PUBLIC_URL; make one with: openssl rand -hex 32, or remove PUBLIC_URL"},
		{"WEBHOOK_TOKEN=" + testToken, "PUBLIC_URL: is required with WEBHOOK_TOKEN; set it to the https:// address at which Flowroute reaches this service, or remove WEBHOOK_TOKEN"},
		{"FLOWROUTE_TIMEOUT=14s", "SHUTDOWN_TIMEOUT: 15s is shorter than FLOWROUTE_TIMEOUT + FLOWROUTE_MAX_WAIT; write at least 16s"},
		{"ALLOWED_PREFIXES=1206,425", `ALLOWED_PREFIXES (environment): element 2 "425" is not a prefix; write 1 to 11 digits starting with 1, or one of the groups ca, caribbean, premium, tollfree, us`},
	} {
		if got := problems(t, Source{Environ: environ(tt.set)}); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: got  %q\nwant %q", tt.set, got, tt.want)
		}
	}
}

const testToken = "Token-of_16.~ch7"

func TestCallbackURL(t *testing.T) {
	for _, env := range [][]string{environ(), environ("PUBLIC_URL=", "WEBHOOK_TOKEN=")} {
		if c := mustLoad(t, Source{Environ: env}); c.CallbackURL() != "" {
			t.Errorf("%q: there is a callback URL", env)
		}
	}
	dir := dirWith(t, "config.yaml", "public_url: https://sms.example.com/a/\n", "token", testToken+"\n")
	c := mustLoad(t, Source{Dir: dir, Environ: environ("WEBHOOK_TOKEN_FILE=" + dir + "/token")})
	if want := "https://sms.example.com/a/webhooks/flowroute/" + testToken; c.CallbackURL() != want {
		t.Errorf("callback URL %q", c.CallbackURL())
	}
}

// TestTestRecipients: a fixed code needs an end date, and errors never show a
// code.
func TestTestRecipients(t *testing.T) {
	const list = "TEST_RECIPIENTS=15005550001=0000"
	for name, o := range map[string][]string{
		"no end":         environ(list),
		"a past day":     environ(list, "TEST_RECIPIENTS_UNTIL=2001-01-31"),
		"a past moment":  environ(list, "TEST_RECIPIENTS_UNTIL="+time.Now().Add(-time.Second).Format(time.RFC3339)),
		"debug mode off": environ(list, "DEBUG_MODE=false"),
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, problems(t, Source{Environ: o}), "TEST_RECIPIENTS_UNTIL", "in the future", "remove TEST_RECIPIENTS")
		})
	}
	today := time.Now().UTC().Format(time.DateOnly)
	if c := mustLoad(t, Source{Environ: environ(list, "TEST_RECIPIENTS_UNTIL="+today)}); !c.TestRecipientsUntil.After(time.Now()) {
		t.Errorf("%s is over at %s", today, c.TestRecipientsUntil)
	}
	if c := mustLoad(t, Source{Environ: []string{"DEBUG_MODE=true", list}}); c.TestRecipients.Len() != 1 || !c.TestRecipientsUntil.IsZero() {
		t.Error("debug mode needs no end date")
	}
	file := dirWith(t, "list", "15005550001=0000,15005550002=1111\n") + "/list"
	if c := mustLoad(t, Source{Environ: environ("TEST_RECIPIENTS_FILE="+file, "TEST_RECIPIENTS_UNTIL=2999-01-31")}); c.TestRecipients.Len() != 2 {
		t.Errorf("%d from a file", c.TestRecipients.Len())
	}
	got := problems(t, Source{Environ: environ("TEST_RECIPIENTS=15005550007=98765,5005550007=98765,15005550007=98764,15005550008=9876x")})
	if len(got) != 2 || !strings.HasPrefix(got[1], "TEST_RECIPIENTS_UNTIL: must be in the future") {
		t.Errorf("%q, want both settings", got)
	}
	wantOne(t, got[:1], "element 2 is not number=code", "element 3 has the number of an earlier one", "element 4 is not number=code")
	long := problems(t, Source{Environ: environ("TEST_RECIPIENTS=15005550007=0098765", "TEST_RECIPIENTS_UNTIL=2999-01-31")})
	wantOne(t, long, "TEST_RECIPIENTS (environment)", "5 digits", "CODE_LENGTH is 4")
	got = append(got, long...)
	if all := strings.Join(got, "\n"); strings.Contains(all, "9876") || strings.Contains(all, "5550007") {
		t.Errorf("a code or number is shown: %s", all)
	}
}

func TestInsecureAllowsPlainHTTP(t *testing.T) {
	c := mustLoad(t, Source{Environ: environ("FLOWROUTE_BASE_URL=http://example.com/", "FLOWROUTE_INSECURE=true")})
	if c.FlowrouteBaseURL != "http://example.com" {
		t.Errorf("base URL is %q", c.FlowrouteBaseURL)
	}
}

func TestDebugMode(t *testing.T) {
	c := mustLoad(t, Source{Set: map[string]string{"DEBUG_MODE": "true"}})
	if !c.DebugMode || c.FlowrouteRate != 0 || c.ListenAddr != "127.0.0.1:8000" || c.ShutdownDelay != 0 {
		t.Errorf("debug mode %v, rate %d, listen %q, delay %s; want the defaults of debug mode", c.DebugMode, c.FlowrouteRate, c.ListenAddr, c.ShutdownDelay)
	}
	c = mustLoad(t, Source{Environ: []string{"DEBUG_MODE=yes", "LISTEN_ADDR=:80", "FLOWROUTE_RATE=7", "SHUTDOWN_DELAY=1s"}})
	if c.FlowrouteRate != 7 || c.ListenAddr != ":80" || c.ShutdownDelay != time.Second {
		t.Error("in debug mode settings must override the defaults")
	}
	for name, o := range map[string]Source{
		"environment": {Environ: []string{"DEBUG_MODE=true", "REDIS_URL=redis://localhost:6379/0"}},
		"file":        {Environ: []string{"DEBUG_MODE=true"}, Dir: dirWith(t, "config.yaml", "redis_url: redis://localhost")},
		"NAME_FILE":   {Environ: []string{"DEBUG_MODE=true", "REDIS_URL_FILE=" + dirWith(t, "u", "redis://localhost\n") + "/u"}},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, problems(t, o), "REDIS_URL", "DEBUG_MODE", "remove one") })
	}
}

func TestWarnings(t *testing.T) {
	key := "API_KEYS=a:" + hashOf("1")
	for _, tt := range []struct {
		environ []string
		want    []string
	}{
		{environ(), []string{"API_KEYS"}},
		{environ(key), nil},
		{environ(key, "CODE_SECRET=0123456789abcdef"), nil},
		{environ(key, "TRUSTED_PROXIES=10.0.0.0/8,0.0.0.0/0"), []string{"TRUSTED_PROXIES has 0.0.0.0/0"}},
		{environ(key, "TRUSTED_PROXIES=::/0"), []string{"TRUSTED_PROXIES has ::/0"}},
		{environ(key, "REDIS_URL=rediss://h?skip_verify=true"), []string{"REDIS_URL has skip_verify=true"}},
		{environ(key, "REDIS_URL=rediss://h?skip_verify=false", "TRUSTED_PROXIES=0.0.0.0/1"), nil},
		{environ(key, "SEND_LIMITS=10000/24h", "GUESS_LIMITS=off", "SEND_LIMITS_TOTAL=1000000/24h"), nil},
		{environ(key, "TEST_RECIPIENTS=15005550001=0000", "TEST_RECIPIENTS_UNTIL=2999-01-31"), []string{"TEST_RECIPIENTS bypasses the SMS until 2999-02-01T00:00:00Z"}},
		{[]string{"DEBUG_MODE=1", "TEST_RECIPIENTS=15005550001=0000"}, nil},
		{[]string{"DEBUG_MODE=1"}, nil},
	} {
		got := mustLoad(t, Source{Environ: tt.environ}).Warnings()
		if len(got) != len(tt.want) {
			t.Errorf("%v: warnings %q, want them about %q", tt.environ, got, tt.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tt.want[i]) {
				t.Errorf("%v: warning %q, want it about %s", tt.environ, got[i], tt.want[i])
			}
		}
	}
}
