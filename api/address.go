package api

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// clientNetwork is the address that is counted for a request: the peer's, or,
// where the peer is a trusted proxy, the last address in X-Forwarded-For that
// is not. An IPv6 address counts as its /64, which is what one subscriber has.
func (s *Server) clientNetwork(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "" // a listener without addresses
	}
	address := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header[echo.HeaderXForwardedFor], ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(address); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // a proxy that is trusted said something else: it is the best that is known
		}
		address = hop.Unmap().WithZone("")
	}
	if address.Is6() {
		network, _ := address.WithZone("").Prefix(64)
		return network.String()
	}
	return address.String()
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
