package codes

import (
	"errors"
	"fmt"
	"strings"
)

// TestRecipients are numbers with a fixed code, for the operator's own tests. Their
// codes are checked like any other, but nothing is sent to them. Such a code
// verifies the number for anybody who knows it, so it prints masked. The zero value
// is none.
type TestRecipients struct{ codes map[Phone]Code }

// ParseTestRecipients parses elements such as "15005550001=000000", a number and
// its code. Its error names every wrong element by its position, never by its
// content.
func ParseTestRecipients(list []string) (TestRecipients, error) {
	t := TestRecipients{codes: map[Phone]Code{}}
	var wrong []string
	for i, element := range list {
		number, digits, _ := strings.Cut(strings.TrimSpace(element), "=")
		to, errPhone := ParsePhone(strings.TrimSpace(number))
		code, errCode := ParseCode(digits)
		_, twice := t.codes[to]
		switch {
		case errPhone != nil || errCode != nil:
			wrong = append(wrong, fmt.Sprintf("element %d is not number=code: write 11 digits, the first a 1, an equals sign and the digits of the code", i+1))
		case twice:
			wrong = append(wrong, fmt.Sprintf("element %d has the number of an earlier one: remove one of them", i+1))
		default:
			t.codes[to] = code
		}
	}
	if wrong != nil {
		return TestRecipients{}, errors.New(strings.Join(wrong, "; "))
	}
	return t, nil
}

// Len returns how many numbers there are.
func (t TestRecipients) Len() int { return len(t.codes) }

// Digits returns the smallest CODE_LENGTH that fits every code.
func (t TestRecipients) Digits() int {
	longest := 0
	for _, c := range t.codes {
		longest = max(longest, len(canonical(c)))
	}
	return longest
}

// Format masks the numbers and codes under every verb.
func (TestRecipients) Format(f fmt.State, _ rune) { Redact(f, "test recipients") }

// MarshalText masks the numbers and codes in JSON and in log attributes.
func (TestRecipients) MarshalText() ([]byte, error) { return []byte("[test recipients]"), nil }
