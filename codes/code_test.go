package codes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func TestNewCodeLength(t *testing.T) {
	for length := 1; length <= codes.MaxCodeLength; length++ {
		code := string(codes.NewCode(length))
		if len(code) != length || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("NewCode(%d) made %d characters, not all of them digits: %q", length, len(code), code)
		}
	}
}

// TestNewCodeUnbiased compares how often each code of n digits comes with the
// uniform distribution. The bounds of chi-square are exceeded by chance less
// than once in a thousand million runs.
func TestNewCodeUnbiased(t *testing.T) {
	for _, test := range []struct {
		name           string
		length, repeat int
		digits         int // counted together
		bound          float64
	}{
		{"digits of long codes", 1000, 1000, 1, 62},
		{"codes of one digit", 1, 100_000, 1, 62},
		{"codes of two digits", 2, 200_000, 2, 210},
		{"first two digits of four", 4, 200_000, 2, 210},
	} {
		t.Run(test.name, func(t *testing.T) {
			counts := map[string]int{}
			total := 0
			for range test.repeat {
				code := string(codes.NewCode(test.length))
				if test.length != 1000 {
					code = code[:test.digits]
				}
				for i := 0; i+test.digits <= len(code); i += test.digits {
					counts[code[i:i+test.digits]]++
					total++
				}
			}
			cells := 10
			if test.digits == 2 {
				cells = 100
			}
			expected := float64(total) / float64(cells)
			chi := float64(cells-len(counts)) * expected // the cells that never came
			for _, n := range counts {
				chi += (float64(n) - expected) * (float64(n) - expected) / expected
			}
			if chi > test.bound {
				t.Errorf("chi-square %.1f over %d cells, want at most %.0f", chi, cells, test.bound)
			}
		})
	}
}

func TestNewCodeIsNew(t *testing.T) {
	seen := map[codes.Code]bool{}
	for range 1000 {
		seen[codes.NewCode(30)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different codes of 1000", len(seen))
	}
}

// TestCanonical: leading zeros count on neither side.
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
	for argument, cases := range map[string][][2]string{ // what is given, what comes of it
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
