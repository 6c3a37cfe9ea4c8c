package codes

import (
	"net/netip"
	"unicode/utf8"
)

// Client is the person behind a request, as the application sees them: best by IP
// address. The empty one is none.
type Client string

// maxClientChars bounds a Client.
const maxClientChars = 120

// ParseClient parses a client. All spellings of an address, and all addresses of one
// IPv6 /64, are the same client. Any other text is kept as it is.
func ParseClient(s string) (Client, error) {
	if n := utf8.RuneCountInString(s); n < 1 || n > maxClientChars || !utf8.ValidString(s) {
		return "", &ArgumentError{"client", "1 to 120 characters"}
	}
	if address, err := netip.ParseAddr(s); err == nil {
		return Client(Subscriber(address)), nil
	}
	return Client(s), nil
}

// Subscriber returns the form in which addresses are counted: an IPv6 address as its
// /64, which is what one subscriber has.
func Subscriber(a netip.Addr) string {
	if a = a.Unmap().WithZone(""); a.Is6() {
		network, _ := a.Prefix(64)
		return network.String()
	}
	return a.String()
}
