package main

import (
	"cmp"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestParallelCreatesAtALimit: of parallel creates over three replicas exactly as many
// pass as a limit allows. Each number, caller, client and profile has its own count. The
// IPv6 addresses of one /64 are one client.
func TestParallelCreatesAtALimit(t *testing.T) {
	const network, neighbour = "2001:db8::", "2001:db8:0:1::"
	fleet, sim := services(t, 3, keysOf("shop", "bank", "club"), `PROFILES={"payout":{"send_limits_total":"2/24h"},"refund":{"send_limits_total":"3/24h"}}`,
		"SEND_LIMITS=5/1h", "CALLER_LIMITS=shop:10/1h,bank:1000/1h,*:9/1h", "CLIENT_LIMITS=4/1h", "SEND_LIMITS_TOTAL=1000/24h")
	recipients := 0
	for _, c := range []struct {
		limit                            string // which refuses the others
		want                             int
		caller, profile, number, network string // if it is empty, each create has another number or no client
	}{
		{"SEND_LIMITS 5/1h", 5, "bank", "", anyone, ""},
		{"SEND_LIMITS_TOTAL payout:2/24h", 2, "bank", "payout", "", ""},
		{"SEND_LIMITS_TOTAL refund:3/24h", 3, "bank", "refund", "", ""},
		{"CLIENT_LIMITS 4/1h", 4, "bank", "", "", network},
		{"CLIENT_LIMITS 4/1h", 4, "bank", "", "", neighbour},
		{"CLIENT_LIMITS 4/1h", 4, "shop", "", "", network},
		{"CALLER_LIMITS 10/1h", 6, "shop", "", "", ""}, // beside those four
		{"CALLER_LIMITS 9/1h", 9, "club", "", "", ""},
		{"", 60, "bank", "", "", ""},
	} {
		before := len(sim.Messages())
		answers := inParallel(60, func(i int) *answer {
			number, client := fmt.Sprintf("12065%06d", recipients+i), ""
			if c.network != "" {
				client = fmt.Sprintf(`,"client":"%s%x"`, c.network, i+1)
			}
			return createUnder(t, fleet[i%3].URL, c.profile, number, cmp.Or(c.number, number), client, as(c.caller))
		})
		recipients += len(answers)
		if passed, sent := count(answers, ""), len(sim.Messages())-before; passed != c.want || sent != c.want {
			t.Errorf("%+v: %d creates passed, %d messages", c, passed, sent)
		}
		for _, a := range answers {
			if a.status != http.StatusOK {
				a.wantLimit(t, c.limit)
			}
		}
	}
}

// TestRefusedMessages: a message that Flowroute refused counts under no limit.
func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	p, sim := service(t, "SEND_LIMITS=1/1h", "SEND_LIMITS_TOTAL=1/1h", "CLIENT_LIMITS=1/1h", "FLOWROUTE_MAX_WAIT=0s")
	to := func(number string) *answer { return createUnder(t, p.URL, "", "a", number, `,"client":"192.0.2.1"`) }
	for range 2 {
		to("15005550422").want(t, 500, "MessageRejected")
		to("15005550401").want(t, 500, "SenderRefused")
		to("15005550429").want(t, 503, "ServiceUnavailable")
	}
	to(anyone).want(t, 200, "")
	if n := len(sim.Messages()); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// TestPumping: 10,000 requests over adjacent numbers, some of them in areas that are not
// allowed, send no more messages than the cap.
func TestPumping(t *testing.T) {
	fleet, sim := services(t, 3, "SEND_LIMITS=5/10m,20/24h", "SEND_LIMITS_TOTAL=100/1h", "ALLOWED_PREFIXES=us,ca", "BLOCKED_PREFIXES=1907")
	var next atomic.Int64
	inParallel(20, func(int) *answer {
		for n := next.Add(1); n <= 10_000; n = next.Add(1) {
			area := []string{"1206", "1876", "1907", "1425", "1206", "1900", "1253", "1206", "1360", "1509"}[n%10]
			a := create(t, fleet[n%3].URL, fmt.Sprint("pump-", n), area+fmt.Sprintf("555%04d", n%10_000))
			if a.status != http.StatusOK && a.status != http.StatusForbidden && a.status != http.StatusTooManyRequests {
				t.Errorf("answer %d %s", a.status, a.raw)
			}
		}
		return nil
	})
	messages := sim.Messages()
	if len(messages) != 100 {
		t.Errorf("%d messages at a cap of 100", len(messages))
	}
	for _, m := range messages {
		if area := m.To[:4]; area == "1876" || area == "1907" || area == "1900" {
			t.Errorf("a message to %s", area)
		}
	}
}
