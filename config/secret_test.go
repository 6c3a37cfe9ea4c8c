package config

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every way to print a secret, or a value that contains one.
func TestSecretsPrintMasked(t *testing.T) {
	const hidden = "hidden-0123456789"
	s := Secret(hidden)
	if s.Reveal() != hidden {
		t.Error("Reveal does not return the secret")
	}
	c := mustLoad(t, Source{Environ: environ("CODE_SECRET="+hidden, "CODE_SECRET_PREVIOUS=x"+hidden, "REDIS_URL=redis://u:"+hidden+"@h",
		"TEST_RECIPIENTS=15005557391=73914682", "CODE_LENGTH=8", "TEST_RECIPIENTS_UNTIL=2999-01-31")})
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t"} { // not %p, which fmt answers by itself and go vet refuses
		for _, v := range []any{s, &s, []Secret{s}, map[string]Secret{"a": s}, struct{ S Secret }{s}, fmt.Errorf("%w: %v", errors.ErrUnsupported, s), *c, c, c.TestRecipients} {
			_, _ = fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{s, c, *c, map[string]any{"a": s}, c.TestRecipients} {
		asJSON, errJSON := json.Marshal(v)
		asYAML, errYAML := yaml.Marshal(v)
		if err := errors.Join(errJSON, errYAML); err != nil {
			t.Fatal(err)
		}
		out.Write(asJSON)
		out.Write(asYAML)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		_, _ = fmt.Fprintf(&out, strings.Clone("no verb"), v)
	}
	for _, bad := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("%v", []byte(hidden)), accessKey, secretKey, "5557391", "73914682"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("the output holds %q", bad)
		}
	}
	if !strings.Contains(out.String(), "[secret]") {
		t.Error("the output does not show that there is a secret")
	}
}

// Errors about every setting from every source repeat no secret, even when the
// secret itself is wrong.
func TestErrorsHoldNoSecret(t *testing.T) {
	const hidden = "hidden9876"
	check := func(name string, o Source) {
		t.Helper()
		if _, err := Load(o); err == nil {
			t.Errorf("%s: loaded", name)
		} else if strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: the error repeats a secret: %v", name, err)
		}
	}
	file := func(content string) string { return filepath.Join(dirWith(t, "f", content), "f") }
	for _, s := range new(Config).settings() {
		if !s.isSecret() {
			continue
		}
		key := strings.ToLower(s.key)
		check(s.key+" and file", Source{Environ: []string{s.key + "=" + hidden, s.key + "_FILE=" + hidden}})
		check(s.key+" in place of a path", Source{Environ: []string{s.key + "_FILE=" + hidden}})
		check(s.key+" not UTF-8", Source{Environ: []string{s.key + "=" + hidden + "\xff"}})
		check(s.key+" in quotes", Source{Environ: []string{s.key + "='" + hidden + "'"}})
		check(s.key+" not UTF-8 in a file", Source{Environ: []string{s.key + "_FILE=" + file(hidden+"\xff")}})
		for _, line := range []string{
			": [" + hidden + "]", ": {" + hidden + ": x}", ": *" + hidden, ": &" + hidden, ": !" + hidden, ": !" + hidden + " x", ": @" + hidden, ": >" + hidden,
			": '" + hidden, ": " + hidden + "\n" + key + ": " + hidden, ": " + hidden + ": x", ": {" + hidden + "} x", ": [" + hidden + "] x", ": " + hidden + " " + hidden + ":", ": 'x' " + hidden, ":" + hidden, ": \"" + hidden + "\\q\"", ": " + hidden + "\n---\na: " + hidden,
		} {
			for _, name := range []string{"config.yaml", "credentials.yaml"} {
				check(s.key+line, Source{Dir: dirWith(t, name, key+line+"\n")})
			}
		}
	}
	for _, text := range []string{hidden, "15005550001=" + hidden, hidden + "=1234", "15005550001=1," + hidden} {
		check("TEST_RECIPIENTS", Source{Environ: environ("TEST_RECIPIENTS=" + text)})
	}
	for _, text := range []string{"redis://u:" + hidden + "@h:port", "redis://:" + hidden + "%@h", "http://u:" + hidden + "@h", "redis:" + hidden, hidden, hidden + "\x7f"} {
		check("REDIS_URL", Source{Environ: environ("REDIS_URL=" + text)})
		check("REDIS_URL file", Source{Environ: environ("REDIS_URL_FILE=" + file(text))})
		check("REDIS_URL YAML", Source{Environ: environ(), Dir: dirWith(t, "config.yaml", fmt.Sprintf("redis_url: %q", text))})
	}
	for _, text := range []string{"https://u:" + hidden + "@h", "https://" + hidden + "@h", "https://u:" + hidden + "%@h", "http://h/?key=" + hidden, "https://h/#" + hidden, "ftp://" + hidden, hidden} {
		check("FLOWROUTE_BASE_URL", Source{Environ: environ("FLOWROUTE_BASE_URL=" + text)})
		check("FLOWROUTE_BASE_URL flag", Source{Environ: environ(), Flags: flagsWith(t, "--flowroute-base-url", text)})
	}
	for _, text := range []string{hidden, "a:" + hidden, hidden + ":a", "a:" + hashOf("1") + "," + hidden} {
		check("API_KEYS", Source{Environ: environ("API_KEYS=" + text)})
	}
	for _, key := range []string{"REDIS_TLS_CA", "REDIS_TLS_CERT", "REDIS_TLS_KEY"} {
		check(key, Source{Environ: environ(key+"="+hidden, "REDIS_URL=rediss://h")})
	}
	check("digits", Source{Dir: dirWith(t, "config.yaml", "code_secret: 987600001111\n")})
	if _, err := Load(Source{Dir: dirWith(t, "config.yaml", "code_secret: 987600001111\n")}); strings.Contains(err.Error(), "98760") {
		t.Error("the error repeats a secret of digits")
	}
}

func TestCodeSecret(t *testing.T) {
	derived := mustLoad(t, Source{Environ: environ()})
	want, err := hkdf.Key(sha256.New, []byte(secretKey), nil, "sms-verification/code-secret", 32)
	if err != nil || !bytes.Equal(derived.CodeSecret(), want) {
		t.Errorf("the default is not derived from FLOWROUTE_SECRET_KEY as documented (%v)", err)
	}
	if derived.PreviousCodeSecret() != nil {
		t.Error("there is a previous secret though none is set")
	}
	set := mustLoad(t, Source{Environ: environ("CODE_SECRET=new-0123456789abcdef", "CODE_SECRET_PREVIOUS=old")})
	if string(set.CodeSecret()) != "new-0123456789abcdef" || string(set.PreviousCodeSecret()) != "old" {
		t.Error("the secrets differ from those that were set")
	}
	wantOne(t, problems(t, Source{Environ: environ("CODE_SECRET=same-0123456789abcdef", "CODE_SECRET_PREVIOUS=same-0123456789abcdef\n")}), "CODE_SECRET_PREVIOUS (environment)", "same as CODE_SECRET")

	debug := Source{Environ: []string{"DEBUG_MODE=true"}}
	a, b := mustLoad(t, debug), mustLoad(t, debug)
	if len(a.CodeSecret()) != 32 || bytes.Equal(a.CodeSecret(), b.CodeSecret()) || !bytes.Equal(a.CodeSecret(), a.CodeSecret()) {
		t.Error("in debug mode the secret must be random, and stay the same in one Config")
	}
	c := mustLoad(t, Source{Environ: environ("DEBUG_MODE=true")})
	if !bytes.Equal(c.CodeSecret(), want) {
		t.Error("in debug mode the secret must be derived if FLOWROUTE_SECRET_KEY is set")
	}
}
