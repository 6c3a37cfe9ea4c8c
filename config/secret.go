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

// Secret is a text that prints masked.
type Secret string

// Reveal returns the secret in clear text, for the code that uses it.
func (s Secret) Reveal() string { return string(s) }

// Format masks the secret under every verb but %p and %w, which fmt handles
// itself and go vet refuses for a Secret.
func (Secret) Format(f fmt.State, _ rune) { codes.Redact(f, "secret") }

// MarshalText masks the secret in JSON and in log attributes.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// MarshalYAML masks the secret in YAML.
func (Secret) MarshalYAML() (any, error) { return "[secret]", nil }

// trimSecret removes the white space, line breaks and byte-order marks that
// files, shells and editors add around a secret.
func trimSecret(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
}

// isQuoted reports whether a secret starts and ends with the same quote
// character, as when a file format does not strip quotes.
func isQuoted(s string) bool {
	for _, quote := range []string{`"`, "'", "`"} {
		if strings.HasPrefix(s, quote) && strings.HasSuffix(s, quote) {
			return true
		}
	}
	return false
}

// secretBytes is the length of a generated secret: that of the hash it is used
// with.
const secretBytes = sha256.Size

// deriveSecret returns the default of CODE_SECRET. It is the same on all
// replicas, since they share FLOWROUTE_SECRET_KEY, and does not reveal that key.
func deriveSecret(key Secret) (Secret, error) {
	derived, err := hkdf.Key(sha256.New, []byte(key), nil, "sms-verification/code-secret", secretBytes)
	return Secret(derived), err
}

func randomSecret() Secret {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand crashes the program instead
	return Secret(b)
}
