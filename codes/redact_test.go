package codes_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

const (
	secretID    = "Zebra-4711"
	secretPhone = "12065559876"
	secretCode  = "73914682"
	secretText  = "Quokka 73914682"
)

type secrets struct {
	ID    codes.ID
	Phone codes.Phone
	Code  codes.Code
	Text  codes.Text
}

var masks = map[string]any{
	"[auth_id]":    codes.ID(secretID),
	"[number …76]": codes.Phone(secretPhone),
	"[code]":       codes.Code(secretCode),
	"[text]":       codes.Text(secretText),
}

func verbs() []string {
	var all []string
	for _, verb := range "vsqxXdoOUtbceEfFgG" {
		for _, flags := range []string{"", "+", "#", " ", "-", "0", "40", "-40", ".3", "#+", "# "} {
			all = append(all, "%"+flags+string(verb))
		}
	}
	return all
}

// leaks returns the part of a secret that a text shows, in any form that fmt writes.
func leaks(text string) string {
	for _, secret := range []string{secretID, secretPhone[:9], secretCode, "Quokka"} {
		numbers := strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
			fmt.Sprintf("% x", secret), fmt.Sprintf("% X", secret), fmt.Sprintf("%# x", secret), numbers,
		} {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

func TestRedactionOfEveryVerb(t *testing.T) {
	for mask, secret := range masks {
		for _, verb := range verbs() {
			if got := fmt.Sprintf(verb, secret); got != mask {
				t.Errorf("%T under %s is %q, want %q", secret, verb, got, mask)
			}
		}
	}
	if got := fmt.Sprintf("%s %s %s", codes.Phone(""), codes.Phone("7"), codes.Phone("76")); got != "[number …] [number …] [number …76]" {
		t.Errorf("short numbers: %q", got)
	}
}

// nested returns the secrets in every kind of exported data.
func nested() map[string]any {
	s := secrets{secretID, secretPhone, secretCode, secretText}
	return map[string]any{
		"struct":          s,
		"pointer":         &s,
		"struct in it":    struct{ Inner any }{s},
		"pointers in it":  struct{ ID *codes.ID }{&s.ID},
		"slices":          []any{[]codes.ID{secretID}, []codes.Phone{secretPhone}, []codes.Code{secretCode}, []codes.Text{secretText}},
		"slice":           []codes.Code{secretCode},
		"array":           [1]codes.Phone{secretPhone},
		"map":             map[string]codes.Code{"k": secretCode},
		"pointers in map": map[string]*codes.Text{"k": &s.Text},
		"any in map":      map[string]any{"k": s},
		"message":         codes.Message{To: secretPhone, Text: secretText},
		"message pointer": &codes.Message{To: secretPhone, Text: secretText},
		"id":              s.ID, "phone": s.Phone, "code": s.Code, "text": s.Text,
	}
}

func TestRedactionOfWhatHoldsThem(t *testing.T) {
	values := nested()
	values["map keys"] = map[codes.ID]codes.Phone{secretID: secretPhone}
	for name, value := range values {
		for _, verb := range verbs() {
			if got := fmt.Sprintf(verb, value); leaks(got) != "" {
				t.Errorf("%s under %s shows %q: %s", name, verb, leaks(got), got)
			}
		}
		cause := fmt.Errorf("inner %v: %w", value, errors.New("cause"))
		if got := fmt.Errorf("outer: %w", cause).Error(); leaks(got) != "" {
			t.Errorf("%s in an error shows %q: %s", name, leaks(got), got)
		}
	}
}

func TestRedactionInJSONAndLogs(t *testing.T) {
	for name, value := range nested() {
		encoded, err := json.Marshal(value)
		if err != nil || leaks(string(encoded)) != "" {
			t.Errorf("%s in JSON, %v: %s", name, err, encoded)
		}
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			log := slog.New(h)
			log.Info("m", "k", value)
			log.With("k", value).WithGroup("g").Info("m", slog.Any("k", value), slog.Group("g", "k", value))
			log.Info("m", value) // a mistake: a value without a key
		}
		if leaks(out.String()) != "" || !strings.Contains(out.String(), "[") {
			t.Errorf("%s in a log shows %q:\n%s", name, leaks(out.String()), &out)
		}
	}
}
