package codes_test

import (
	"sync"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

// TestStoredForm: the digests are names and values in the store. If one
// changes, live entries and limits are lost with the next release.
func TestStoredForm(t *testing.T) {
	h := codes.NewHasher([]byte("known-answer secret"))
	for _, test := range []struct {
		name string
		got  codes.Digest
		want string // HMAC-SHA-256 made by another program, 16 bytes of it
	}{
		{"id", h.ID("42"), "54U2P9HpXL0U8A"},
		{"id of several bytes a character", h.ID("é\x00中"), "o8UiMnXInX3ATw"},
		{"phone", h.Phone("12065551234"), "xC3Nsrs6u0lj9g"},
		{"address", h.Address("192.0.2.1"), "JE7QQugyzlXQOA"},
		{"code", h.Code("42", "0042"), "PGyW003MJ60vSQ"},
		{"code of zeros", h.Code("42", "0000"), "IhvD6hPVe90XBQ"},
	} {
		if got := test.got.String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestDigestsDiffer: what is not the same has not the same digest, whatever
// bytes an id holds.
func TestDigestsDiffer(t *testing.T) {
	h, other := codes.NewHasher([]byte("one")), codes.NewHasher([]byte("two"))
	const same = "12065551234"
	digests := map[string]codes.Digest{
		"id":                      h.ID(same),
		"phone":                   h.Phone(same),
		"address":                 h.Address(same),
		"code":                    h.Code(same, same),
		"code, empty id":          h.Code("", same),
		"id, other secret":        other.ID(same),
		"code, other secret":      other.Code(same, same),
		"code 1 of a":             h.Code("a", "1"),
		"code 0 of a":             h.Code("a", "0"),
		"code 1 of a, zero":       h.Code("a\x00", "1"),
		"code 0 of a, zero":       h.Code("a\x00", "0"),
		"code 1 of zero, a":       h.Code("\x00a", "1"),
		"code 0 of a, zero, 1":    h.Code("a\x001", "0"),
		"code 1 of a, zero, 1":    h.Code("a\x001", "1"),
		"code 11 of a":            h.Code("a", "11"),
		"code 1 of a1":            h.Code("a1", "1"),
		"id a, zero":              h.ID("a\x00"),
		"id a":                    h.ID("a"),
		"id ca, zero, 1":          h.ID("ca\x001"),
		"id a, zero, 1":           h.ID("a\x001"),
		"id without content":      h.ID(""),
		"phone without content":   h.Phone(""),
		"address without content": h.Address(""),
	}
	seen := map[codes.Digest]string{}
	for name, d := range digests {
		if twin, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", name, twin)
		}
		seen[d] = name
	}
}

func TestHasherKeepsItsSecret(t *testing.T) {
	secret := []byte("secret")
	h := codes.NewHasher(secret)
	before := h.ID("id")
	clear(secret)
	if h.ID("id") != before {
		t.Error("a change of the caller's bytes changed the hasher")
	}
}

func TestHasherInParallel(t *testing.T) {
	h := codes.NewHasher([]byte("secret"))
	want := h.Code("id", "42")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if h.ID("id") == want || h.Code("id", "42") != want {
					t.Error("another digest in parallel")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNewOp(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		op := codes.NewOp()
		if op == (codes.Op{}) || len(op.String()) != 11 || seen[op.String()] {
			t.Fatalf("op %s: zero, not 11 characters, or seen before", op)
		}
		seen[op.String()] = true
	}
}
