package codes_test

import (
	"sync"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

// TestStoredForm: the digests are keys and values in the store. If one changed, the next
// release would lose live entries and limits.
func TestStoredForm(t *testing.T) {
	h := codes.NewHasher([]byte("known-answer secret"))
	for _, test := range []struct {
		name string
		got  codes.Digest
		want string // made by another program
	}{
		{"id", h.ID(codes.Space{}, "42"), "AEBLq4ute5LAvQ"},
		{"id of a caller and a profile", h.ID(codes.Space{Caller: "shop", Profile: "login"}, "42"), "Ab1sK53xInk6rA"},
		{"id of a caller, a profile and a service", h.ID(codes.Space{Caller: "shop", Profile: "login", Service: "VA1"}, "42"), "VzNM0tUXQI8BHA"},
		{"id of several bytes a character", h.ID(codes.Space{}, "é\x00中"), "-__urioZ2MjHkQ"},
		{"phone", h.Phone("12065551234"), "xC3Nsrs6u0lj9g"},
		{"address", h.Address("192.0.2.1"), "JE7QQugyzlXQOA"},
		{"client of a caller", h.Client("shop", "192.0.2.1"), "LEpEayPL_uTcAg"},
		{"client without a caller", h.Client("", "2001:db8::/64"), "iCJdil1-BvlVXw"},
		{"message", h.Message("mdr2-1"), "_qEApbF0I6xPNw"},
		{"code", h.Code(codes.Space{}, "42", "0042"), "4bm6-RbCS89yNA"},
		{"code of a caller and a profile", h.Code(codes.Space{Caller: "shop", Profile: "login"}, "42", "0042"), "1z44Cw8V0bvtEg"},
		{"code of zeros", h.Code(codes.Space{}, "42", "0000"), "lt6vPKmOrjol9w"},
	} {
		if got := test.got.String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestVerificationForm: clients keep these ids, so they must not change.
func TestVerificationForm(t *testing.T) {
	h := codes.NewHasher([]byte("known-answer secret"))
	const want = "VE073af6342d5c0ec002f49919211f1e90" // made by another program
	if got := h.Verification("VA1", "12065551234"); string(got) != want {
		t.Errorf("%s, want %s", string(got), want)
	}
}

// TestDigestsDiffer: different arguments have different digests, whatever bytes they
// hold.
func TestDigestsDiffer(t *testing.T) {
	h, other := codes.NewHasher([]byte("one")), codes.NewHasher([]byte("two"))
	const same = "12065551234"
	var all codes.Space
	shop, login := codes.Space{Caller: "shop"}, codes.Space{Profile: "login"}
	digests := map[string]codes.Digest{
		"id":                            h.ID(all, same),
		"id of a caller":                h.ID(shop, same),
		"id of a profile":               h.ID(login, same),
		"id of a service":               h.ID(codes.Space{Service: "login"}, same),
		"id of both":                    h.ID(codes.Space{Caller: "shop", Profile: "login"}, same),
		"id of a caller, no profile":    h.ID(codes.Space{Caller: "shoplogin"}, same),
		"id of a profile, no caller":    h.ID(codes.Space{Profile: "shoplogin"}, same),
		"id of a profile like a caller": h.ID(codes.Space{Profile: "shop"}, same),
		"id with a caller in it":        h.ID(all, "shop\x00\x00"+same),
		"id with a profile in it":       h.ID(all, "login\x00"+same),
		"phone":                         h.Phone(same),
		"message":                       h.Message(same),
		"address":                       h.Address(same),
		"client":                        h.Client("", same),
		"client of a caller":            h.Client("shop", same),
		"client with a caller in it":    h.Client("", "shop\x00"+same),
		"code":                          h.Code(all, same, same),
		"code of a caller":              h.Code(shop, same, same),
		"code of a profile":             h.Code(login, same, same),
		"code, empty id":                h.Code(all, "", same),
		"id, other secret":              other.ID(all, same),
		"code, other secret":            other.Code(all, same, same),
		"code 1 of a":                   h.Code(all, "a", "1"),
		"code 0 of a":                   h.Code(all, "a", "0"),
		"code 1 of a, zero":             h.Code(all, "a\x00", "1"),
		"code 0 of a, zero":             h.Code(all, "a\x00", "0"),
		"code 1 of zero, a":             h.Code(all, "\x00a", "1"),
		"code 0 of a, zero, 1":          h.Code(all, "a\x001", "0"),
		"code 1 of a, zero, 1":          h.Code(all, "a\x001", "1"),
		"code 11 of a":                  h.Code(all, "a", "11"),
		"code 1 of a1":                  h.Code(all, "a1", "1"),
		"id a, zero":                    h.ID(all, "a\x00"),
		"id a":                          h.ID(all, "a"),
		"id ca, zero, 1":                h.ID(all, "ca\x001"),
		"id a, zero, 1":                 h.ID(all, "a\x001"),
		"id without content":            h.ID(all, ""),
		"phone without content":         h.Phone(""),
		"address without content":       h.Address(""),
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
	before := h.ID(codes.Space{}, "id")
	clear(secret)
	if h.ID(codes.Space{}, "id") != before {
		t.Error("a change of the caller's bytes changed the hasher")
	}
}

func TestHasherInParallel(t *testing.T) {
	h := codes.NewHasher([]byte("secret"))
	want := h.Code(codes.Space{}, "id", "42")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if h.ID(codes.Space{}, "id") == want || h.Code(codes.Space{}, "id", "42") != want {
					t.Error("another digest in parallel")
					return
				}
			}
		})
	}
	wg.Wait()
}
