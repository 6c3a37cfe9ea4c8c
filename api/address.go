package api

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/flowroute/sms-verification/codes"
)

// clientNetwork returns the network to count a request for: that of the peer, or, behind
// trusted proxies, of the last address in X-Forwarded-For that is not one of them. It does
// not use [echo.ExtractIPFromXFFHeader], which accepts no port and no zone. After an
// unreadable entry that function returns the peer, so that all clients of a proxy would
// share one count.
func (s *Server) clientNetwork(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "" // such as on a Unix socket
	}
	address := plain(peer.Addr())
	hops := strings.Split(strings.Join(r.Header[echo.HeaderXForwardedFor], ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(address); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break // unreadable: the address of the proxy that sent it is the best known
		}
		address = plain(hop)
	}
	return codes.Subscriber(address)
}

// parseHop parses an address. Some proxies add a port.
func parseHop(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address, true
	}
	withPort, err := netip.ParseAddrPort(text)
	return withPort.Addr(), err == nil
}

// plain returns an address in its canonical form: without zone, IPv4 not mapped to IPv6.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
