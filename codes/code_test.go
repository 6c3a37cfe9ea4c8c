package codes_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func TestNewCodeLength(t *testing.T) {
	h := codes.NewHasher([]byte("secret"))
	for length := 1; length <= codes.MaxCodeLength; length++ {
		code := string(h.NewCode(codes.Space{}, "id", codes.NewOp(), length))
		if len(code) != length || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("NewCode(%d) made %d characters, not all of them digits: %q", length, len(code), code)
		}
	}
}

// TestNewCodeUnbiased compares how often each code of 1 to 10 digits comes with
// the uniform distribution, three digits at a time. Chance exceeds the bound less
// than once in a billion runs.
func TestNewCodeUnbiased(t *testing.T) {
	const made, longest, most = 1_000_000, 10, 3
	h := codes.NewHasher([]byte("secret"))
	var counts [longest + 1][1000]float64 // by length, of its last digits
	for range made {
		code := h.NewCode(codes.Space{}, "id", codes.NewOp(), longest)
		for length := 1; length <= longest; length++ {
			cell := 0
			for _, digit := range code[max(0, length-most):length] {
				cell = cell*10 + int(digit-'0')
			}
			counts[length][cell]++
		}
	}
	for length := 1; length <= longest; length++ {
		cells := math.Pow10(min(length, most))
		expected, chi := made/cells, 0.0
		for _, n := range counts[length][:int(cells)] {
			chi += (n - expected) * (n - expected) / expected
		}
		if bound := cells + 7*math.Sqrt(2*cells) + 30; chi > bound {
			t.Errorf("%d digits: chi-square %.1f over %v cells, want at most %.0f", length, chi, cells, bound)
		}
	}
}

// TestNewCodeFollows: one op always makes the same code; with fewer digits, a prefix of
// it. Any other argument makes another code.
func TestNewCodeFollows(t *testing.T) {
	h, op := codes.NewHasher([]byte("secret")), codes.NewOp()
	first := h.NewCode(codes.Space{}, "id", op, 30)
	if again := h.NewCode(codes.Space{}, "id", op, 30); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	if short := h.NewCode(codes.Space{}, "id", op, 6); short != first[:6] {
		t.Errorf("6 digits of %s: %s", first, short)
	}
	seen := map[codes.Code]bool{first: true}
	for _, other := range []codes.Code{
		codes.NewHasher([]byte("another secret")).NewCode(codes.Space{}, "id", op, 30),
		h.NewCode(codes.Space{}, "id", codes.NewOp(), 30),
		h.NewCode(codes.Space{}, "other", op, 30),
		h.NewCode(codes.Space{Caller: "shop"}, "id", op, 30),
		h.NewCode(codes.Space{Profile: "shop"}, "id", op, 30),
		h.NewCode(codes.Space{Service: "shop"}, "id", op, 30),
	} {
		if seen[other] {
			t.Errorf("%s twice", other)
		}
		seen[other] = true
	}
}

// TestCanonical: leading zeros do not matter on either side.
func TestCanonical(t *testing.T) {
	h := codes.NewHasher([]byte("secret"))
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"0042", "42", true},
		{"42", "00042", true},
		{"0000", "0", true},
		{"0", "00000000", true},
		{"7", "7", true},
		{"42", "420", false},
		{"0042", "4200", false},
		{"0", "1", false},
		{"10", "1", false},
		{"0402", "42", false},
	} {
		a, b := h.Code(codes.Space{}, "id", codes.Code(test.a)), h.Code(codes.Space{}, "id", codes.Code(test.b))
		if (a == b) != test.same {
			t.Errorf("%s and %s the same code: %t, want %t", test.a, test.b, a == b, test.same)
		}
	}
}

func TestParse(t *testing.T) {
	parsers := map[string]func(string) (string, error){
		"auth_id":   func(s string) (string, error) { v, err := codes.ParseID(s); return string(v), err },
		"recipient": func(s string) (string, error) { v, err := codes.ParsePhone(s); return string(v), err },
		"code":      func(s string) (string, error) { v, err := codes.ParseCode(s); return string(v), err },
	}
	const refused = "\x00refused"
	same := func(s string) [2]string { return [2]string{s, s} }
	for argument, cases := range map[string][][2]string{ // input and result
		"auth_id": {
			same("a"), same(" "), same("\x00"), same("\u2028"), same("\ufffd"), same("42"), same("0042"),
			same(strings.Repeat("a", 120)),
			same(strings.Repeat("é", 120)),
			same(strings.Repeat("😀", 120)), // 480 bytes
			same(" padded "),
			{"", refused},
			{strings.Repeat("a", 121), refused},
			{strings.Repeat("é", 121), refused},
			{strings.Repeat("😀", 121), refused},
			{"\xff", refused},
			{"ok\xc3", refused},           // cut off
			{"\xed\xa0\x80", refused},     // a surrogate
			{"\xc0\xaf", refused},         // overlong
			{"\xf4\x90\x80\x80", refused}, // beyond Unicode
		},
		"recipient": {
			same("14255559876"),
			{"+14255559876", "14255559876"},
			same("10000000000"),
			{"", refused}, {"+", refused}, {"1", refused},
			{"++14255559876", refused},
			{"4255559876", refused},
			{"24255559876", refused},
			{"142555598765", refused},
			{"1425555987", refused},
			{"1425555987a", refused},
			{"1-425-555-9876", refused},
			{" 14255559876", refused},
			{"14255559876\n", refused},
			{"1425555987\x00", refused},
			{"1425555987٣", refused},
			{"１４２５５５５９８７６", refused},
			{"1２0655512", refused}, // 11 bytes
		},
		"code": {
			same("0"), same("0042"), same("123456"),
			same(strings.Repeat("9", 1000)), same(strings.Repeat("9", 2000)),
			{" 42\t", "42"}, {"\r\n42\r\n", "42"},
			{"", refused}, {" ", refused}, {"\t\r\n ", refused},
			{"4 2", refused}, {"4\n2", refused},
			{"\v42", refused}, {"42\u00a0", refused}, {"42\x00", refused},
			{"-42", refused}, {"+42", refused}, {"4.2", refused}, {"4e2", refused}, {"0x2a", refused},
			{"42a", refused}, {"٤٢", refused}, {"４２", refused}, {"²", refused}, {"4\xff", refused},
		},
	} {
		for _, c := range cases {
			got, err := parsers[argument](c[0])
			if c[1] != refused {
				if err != nil || got != c[1] {
					t.Errorf("%s %q = %q, %v; want %q", argument, c[0], got, err, c[1])
				}
				continue
			}
			var bad *codes.ArgumentError
			if !errors.As(err, &bad) || bad.Argument != argument || bad.Rule == "" || got != "" {
				t.Errorf("%s %q = %q, %v; want an error about the argument", argument, c[0], got, err)
			}
			if len(c[0]) > 2 && err != nil && strings.Contains(err.Error(), c[0]) {
				t.Errorf("the error about %s repeats %q", argument, c[0])
			}
		}
	}
}
