package api

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// clientNetwork is the address that is counted for a request: the peer's, or,
// where the peer is a trusted proxy, the last address in X-Forwarded-For that
// is not.
func (s *Server) clientNetwork(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "" // a listener without addresses
	}
	address := plain(peer.Addr())
	hops := strings.Split(strings.Join(r.Header[echo.HeaderXForwardedFor], ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(address); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break // a proxy that is trusted said something else: it is the best that is known
		}
		address = plain(hop)
	}
	return codes.Subscriber(address)
}

// parseHop reads an address to which some proxies add the port.
func parseHop(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address, true
	}
	withPort, err := netip.ParseAddrPort(text)
	return withPort.Addr(), err == nil
}

// plain is the one form of an address that can be written in several.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
