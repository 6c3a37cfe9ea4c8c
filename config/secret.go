package config

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"

	"github.com/flowroute/sms-verification/codes"
)

// Secret is a text that nobody may see. It prints masked.
type Secret string

// Reveal returns the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// Format masks the secret under every verb but %p and %w, which fmt answers
// by itself and go vet refuses for a Secret.
func (Secret) Format(f fmt.State, _ rune) { codes.Redact(f, "secret") }

// MarshalText masks the secret in JSON and in log attributes.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// MarshalYAML masks the secret in YAML.
func (Secret) MarshalYAML() (any, error) { return "[secret]", nil }

// trimSecret drops what files, shells and editors put around a secret: white
// space, line breaks and byte-order marks.
func trimSecret(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
}

// isQuoted reports whether a secret starts and ends with the same quote
// character: it came from a file format that does not strip quotes.
func isQuoted(s string) bool {
	for _, quote := range []string{`"`, "'", "`"} {
		if strings.HasPrefix(s, quote) && strings.HasSuffix(s, quote) {
			return true
		}
	}
	return false
}

// secretBytes is the length of a secret that nobody chose: that of the hash
// under which it is used.
const secretBytes = sha256.Size

// deriveSecret makes the default of CODE_SECRET. All replicas have the same
// FLOWROUTE_SECRET_KEY, so they agree on it; the key itself cannot be
// computed from it.
func deriveSecret(key Secret) (Secret, error) {
	derived, err := hkdf.Key(sha256.New, []byte(key), nil, "sms-verification/code-secret", secretBytes)
	return Secret(derived), err
}

func randomSecret() Secret {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return Secret(b)
}
