package api

import (
	"maps"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

func behindProxies(f *fixture) {
	f.Keys = []Key{key("shop", "secret")}
	for _, p := range []string{"10.0.0.0/8", "2001:db8:ffff::/48", "fe80::/10"} {
		f.TrustedProxies = append(f.TrustedProxies, netip.MustParsePrefix(p))
	}
}

func TestClientNetwork(t *testing.T) {
	var f fixture
	behindProxies(&f)
	s := &Server{Options: f.Options}
	for _, test := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"a peer", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"a peer over IPv6 counts as its /64", "[2001:db8:1:2:3:4:5:6]:1", nil, "2001:db8:1:2::/64"},
		{"a peer over IPv6 with zone", "[fe81::1%eth0]:1", nil, "fe81::/64"},
		{"a mapped peer is the IPv4 one", "[::ffff:192.0.2.1]:1", nil, "192.0.2.1"},
		{"no address", "@", []string{"192.0.2.1"}, ""},

		{"a stranger is not believed", "192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"},
		{"nor a stranger who names a proxy", "192.0.2.1:1", []string{"198.51.100.1, 10.0.0.1"}, "192.0.2.1"},
		{"nor a stranger over IPv6", "[2001:db8:1::1]:1", []string{"198.51.100.1"}, "2001:db8:1::/64"},

		{"a proxy is", "10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a mapped proxy is", "[::ffff:10.0.0.1]:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a proxy over IPv6 is", "[2001:db8:ffff::1]:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a proxy with zone is", "[fe80::1%eth0]:1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"a proxy's IPv6 client counts as its /64", "10.0.0.1:1", []string{"2001:db8:1:2:3::4"}, "2001:db8:1:2::/64"},
		{"a proxy's mapped client is the IPv4 one", "10.0.0.1:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a proxy's client with zone", "10.0.0.1:1", []string{"2001:db8:1:2::4%x"}, "2001:db8:1:2::/64"},
		{"a chain of proxies", "10.0.0.1:1", []string{"192.0.2.1, 10.0.0.3,10.0.0.2"}, "192.0.2.1"},
		{"a chain over both", "[2001:db8:ffff::1]:1", []string{"192.0.2.1, 2001:db8:ffff::2, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"several headers are one list", "10.0.0.1:1", []string{"198.51.100.1", "192.0.2.1, 10.0.0.3", "10.0.0.2"}, "192.0.2.1"},

		{"a client with its port", "10.0.0.1:1", []string{"192.0.2.1:5678"}, "192.0.2.1"},
		{"a client over IPv6 with its port", "10.0.0.1:1", []string{"[2001:db8:1:2::1]:443"}, "2001:db8:1:2::/64"},
		{"a mapped client with its port", "10.0.0.1:1", []string{"[::ffff:192.0.2.1]:443"}, "192.0.2.1"},
		{"a chain of proxies with ports", "10.0.0.1:1", []string{"198.51.100.1, 192.0.2.1:1, 10.0.0.3:2, [2001:db8:ffff::2]:3"}, "192.0.2.1"},
		{"a port that is none", "10.0.0.1:1", []string{"192.0.2.1:65536"}, "10.0.0.1"},
		{"a stranger with a port", "192.0.2.1:1", []string{"198.51.100.1:2"}, "192.0.2.1"},

		{"what a client puts in front does not count", "10.0.0.1:1", []string{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{"nor in a header of its own", "10.0.0.1:1", []string{"198.51.100.1", "192.0.2.1"}, "192.0.2.1"},
		{"nor a proxy's address", "10.0.0.1:1", []string{"10.0.0.9, 192.0.2.1"}, "192.0.2.1"},
		{"nor rubbish", "10.0.0.1:1", []string{"%, ,x, 192.0.2.1"}, "192.0.2.1"},

		{"a proxy that says nothing", "10.0.0.1:1", nil, "10.0.0.1"},
		{"a proxy that says an empty thing", "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"a proxy that does not know", "10.0.0.1:1", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{"a chain that does not know", "10.0.0.1:1", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		{"a proxy's own request", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		r.Header["X-Forwarded-For"] = test.forwarded
		for _, name := range []string{"Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip"} {
			r.Header.Set(name, "for=203.0.113.1") // believed from nobody
		}
		if got := s.clientNetwork(r); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestFailuresByAddress: failures are counted for the digest of the client's network,
// whatever the client writes into a header.
func TestFailuresByAddress(t *testing.T) {
	count := &failures{}
	hasher := codes.NewHasher([]byte("addresses"))
	a := newAPI(t, behindProxies, func(f *fixture) { f.Failures, f.Hasher = count, hasher })
	for _, test := range []struct{ peer, forwarded string }{
		{"192.0.2.1:1", "198.51.100.1"},
		{"[::ffff:192.0.2.1]:3", "198.51.100.2, 10.0.0.1"},
		{"10.0.0.2:5", "198.51.100.3, 192.0.2.1"},
		{"[2001:db8:1:2::1]:1", ""},
		{"[2001:db8:1:2:ffff::2]:1", ""},
	} {
		a.serve(t, test.peer, "GET", "/", "", "Authorization", "Bearer wrong", "X-Forwarded-For", test.forwarded).is(t, 401, unauthorized)
	}
	want := map[codes.Digest]int64{hasher.Address("192.0.2.1"): 3, hasher.Address("2001:db8:1:2::/64"): 2}
	if !maps.Equal(count.count, want) {
		t.Errorf("counted %v, want %v", count.count, want)
	}
}
