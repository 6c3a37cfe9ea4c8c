package codes

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of the arguments.
const (
	MaxIDChars    = 120  // Unicode characters of an auth_id
	MaxCodeLength = 1000 // digits of a code
)

// ParseID parses an auth_id: 1 to 120 Unicode characters.
func ParseID(s string) (ID, error) {
	if n := utf8.RuneCountInString(s); n < 1 || n > MaxIDChars || !utf8.ValidString(s) {
		return "", &ArgumentError{"auth_id", "1 to 120 characters"}
	}
	return ID(s), nil
}

// ParsePhone parses a recipient: 1 and ten ASCII digits. It drops one leading +.
func ParsePhone(s string) (Phone, error) {
	digits := strings.TrimPrefix(s, "+")
	if len(digits) != 11 || digits[0] != '1' || !allDigits(digits) {
		return "", &ArgumentError{"recipient", "1 and ten digits, such as 12065551234"}
	}
	return Phone(digits), nil
}

// ParseCode parses a code as a person typed it: ASCII digits. It trims blanks, and
// accepts any length: digits of another length are a wrong code.
func ParseCode(s string) (Code, error) {
	digits := strings.Trim(s, " \t\r\n")
	if digits == "" || !allDigits(digits) {
		return "", &ArgumentError{"code", "digits"}
	}
	return Code(digits), nil
}

// NewCode derives the code for an auth_id from the secret and an op, so that it can
// be sent again although nobody stores it. Each of the 10^length codes is equally
// likely.
func (h *Hasher) NewCode(s Space, id ID, op Op, length int) Code {
	digits := make([]byte, 0, length)
	for block := 0; len(digits) < length; block++ {
		for _, b := range h.sum('d', s.Caller, s.Profile, s.Service, op.String(), strconv.Itoa(block), string(id)) {
			// 250 is the largest multiple of ten that fits a byte. Bytes from 250
			// on would make the digits 0 to 5 more likely than the others.
			if b < 250 && len(digits) < length {
				digits = append(digits, '0'+b%10)
			}
		}
	}
	return Code(digits)
}

// canonical is the form in which codes are compared: without leading zeros, which
// people and spreadsheets drop.
func canonical(c Code) string { return strings.TrimLeft(string(c), "0") }

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
