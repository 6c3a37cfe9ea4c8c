package api

import (
	"regexp"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes"
)

// behindBody asks for a code for a client, given as it is in JSON.
func behindBody(client string) string {
	return `{"auth_id":"a","recipient":"` + number + `","client":` + client + `}`
}

// TestClientRequest: a create asks the service for the client in its one form.
func TestClientRequest(t *testing.T) {
	var got asked
	a := newAPI(t, func(f *fixture) { f.Service = &got })
	a.do(t, "POST", "/", behindBody(`"2001:DB8::1"`))
	if r, ok := got[0].(codes.CreateRequest); !ok || r.Client != "2001:db8::/64" {
		t.Errorf("asked %+v", got)
	}
}

// TestClientArgument: a refusal names the argument and its rule.
func TestClientArgument(t *testing.T) {
	a := newAPI(t)
	a.untouched(t, func() {
		for literal, rule := range map[string]string{
			`""`: "client must not be empty", `null`: "client must be", `{}`: "client must be",
			quote(strings.Repeat("é", 121)): "client must be 1 to 120 characters",
		} {
			a.do(t, "POST", "/", behindBody(literal)).isUsage(t, 400, rule)
		}
	})
}

// TestKeyStandsForClient: the same Idempotency-Key with another client is another
// request, and with another address of the same network the same.
func TestKeyStandsForClient(t *testing.T) {
	a := newAPI(t)
	first := a.do(t, "POST", "/", behindBody(`"2001:db8::1"`), "Idempotency-Key", "k")
	a.do(t, "POST", "/", behindBody(`"2001:db8:0:1::1"`), "Idempotency-Key", "k").is(t, 422, reused)
	a.do(t, "POST", "/", createBody("a"), "Idempotency-Key", "k").is(t, 422, reused)
	a.do(t, "POST", "/", behindBody(`"2001:db8::2"`), "Idempotency-Key", "k").is(t, 200, first.text)
}

// TestClientInLog: the log has what stands for the client, the same for the same
// one.
func TestClientInLog(t *testing.T) {
	a := newAPI(t)
	for _, client := range []string{`"192.0.2.1"`, `"::ffff:192.0.2.1"`, `"192.0.2.2"`} {
		a.do(t, "POST", "/", behindBody(client))
	}
	found := regexp.MustCompile(`"recipient_ends":"00","client":"([0-9a-f]{10})"`).FindAllStringSubmatch(a.log.String(), -1)
	if len(found) != 3 || found[0][1] != found[1][1] || found[0][1] == found[2][1] || strings.Contains(a.log.String(), "192.0.2") {
		t.Errorf("%q in\n%s", found, a.log)
	}
}
