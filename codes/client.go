package codes

import (
	"net/netip"
	"unicode/utf8"
)

// Client is whom the application sees behind a request, such as a person's
// address. The empty one is none.
type Client string

// maxClientChars bounds a Client.
const maxClientChars = 120

// ParseClient checks a client. All ways to write an address, and all addresses of
// one IPv6 network, are the same client; any other text is taken as it is.
func ParseClient(s string) (Client, error) {
	if n := utf8.RuneCountInString(s); n < 1 || n > maxClientChars || !utf8.ValidString(s) {
		return "", &ArgumentError{"client", "1 to 120 characters"}
	}
	if address, err := netip.ParseAddr(s); err == nil {
		return Client(Subscriber(address)), nil
	}
	return Client(s), nil
}

// Subscriber returns the one form in which the addresses of a subscriber are
// counted: an IPv6 address counts as its /64, which is what one subscriber has.
func Subscriber(a netip.Addr) string {
	if a = a.Unmap().WithZone(""); a.Is6() {
		network, _ := a.Prefix(64)
		return network.String()
	}
	return a.String()
}
