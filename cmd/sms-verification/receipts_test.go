package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const testWebhookToken = "webhook-token-0123456789.~_"

// withReceipts starts n replicas that ask for receipts. PUBLIC_URL must be known
// before they listen, so it is that of a load balancer.
func withReceipts(t *testing.T, n int, redis *redistest.Instance, sim *flowroutetest.Server, extra ...string) []*process {
	t.Helper()
	var fleet atomic.Pointer[[]*process]
	var requests atomic.Int64
	balancer := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		all := *fleet.Load()
		to, _ := url.Parse(all[requests.Add(1)%int64(len(all))].URL)
		r.SetURL(to)
	}})
	t.Cleanup(balancer.Close)
	started := replicas(t, n, environment(redis, sim, append([]string{"PUBLIC_URL=" + balancer.URL + "/", "WEBHOOK_TOKEN=" + testWebhookToken}, extra...)...))
	fleet.Store(&started)
	return started
}

// settled waits until every receipt is answered.
func settled(t *testing.T, sim *flowroutetest.Server) {
	t.Helper()
	codestest.Await(t, 20*time.Second, "every receipt is answered", func() bool { return sim.Pending() == 0 })
}

// TestReceiptsOverReplicas: of receipts in every form and order, early and
// repeated, two replicas count exactly what the simulator sent.
func TestReceiptsOverReplicas(t *testing.T) {
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond, ReceiptRetry: 50 * time.Millisecond})
	fleet := withReceipts(t, 2, redistest.Server(t), sim, "SEND_LIMITS=1000/1h", "SEND_LIMITS_TOTAL=100000/1h")
	const each = 5
	var wg sync.WaitGroup
	for _, number := range append(slices.Collect(maps.Keys(flowroutetest.MagicDeliveries())), anyone, "14165550142") {
		wg.Go(func() {
			for i := range each {
				create(t, fleet[i%2].URL, fmt.Sprint(number, "-", i), number).want(t, 200, "")
			}
		})
	}
	wg.Wait()
	settled(t, sim)

	said := sim.Requests()
	lost := int64(0) // on a busy machine Redis may answer too late, and a message goes uncounted
	for _, p := range fleet {
		lost += int64(len(regexp.MustCompile(`its receipts will not be known|:token","status":503`).FindAllString(p.stderr.String(), -1)))
	}
	delivered, undelivered := total(t, fleet, "smsv_codes_delivered_total"), total(t, fleet, "smsv_codes_undelivered_total")
	missing := said.Delivered + said.Undelivered - delivered - undelivered
	if delivered > said.Delivered || undelivered > said.Undelivered || missing > lost || lost > 3 {
		t.Errorf("delivered %v, undelivered %v, not answered in time %d; the simulator sent %+v", delivered, undelivered, lost, said)
	}
	areas := sums(t, fleet, "smsv_codes_delivered_total", "area")
	if said.Delivered < each*8 || said.Undelivered != 2*each || areas["us"] > each || areas["ca"] > each {
		t.Errorf("delivered by area %v; the simulator sent %+v", areas, said)
	}
	results, statuses := sums(t, fleet, "smsv_receipts_total", "result"), sums(t, fleet, "smsv_receipts_total", "status")
	if got := total(t, fleet, "smsv_receipts_total"); got != said.Receipts || said.Lost != 0 ||
		results["early"] == 0 || results["duplicate"] == 0 || results["joined"] == 0 || statuses["other"] != each {
		t.Errorf("receipts by result %v, by status %v; the simulator sent %+v", results, statuses, said)
	}
	for number, want := range map[string]string{
		anyone: "delivered", "15005550101": "failed", "15005550102": "sent", "15005550103": "sent", "15005550104": "delivered",
		"15005550105": "sent", "15005550106": "delivered", "15005550110": "delivered", "15005550112": "delivered", "15005550114": "failed",
	} {
		a := get(t, fleet[1].URL+"/status?auth_id="+number+"-0").wantLeft(t, 3)
		contains(t, "the status of "+number, a.raw, `"state":"`+want+`"`)
	}
}

// TestRejectedMessage: a message that a phone rejects counts no longer under
// SEND_LIMITS, though only as often as these allow messages. It still counts under
// SEND_LIMITS_TOTAL, since it was paid for.
func TestRejectedMessage(t *testing.T) {
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond})
	fleet := withReceipts(t, 2, redistest.Server(t), sim, "SEND_LIMITS=1/1h", "SEND_LIMITS_TOTAL=3/1h")
	const unreachable = "15005550101"
	for i := range 2 {
		create(t, fleet[i%2].URL, "a", unreachable).want(t, 200, "")
		settled(t, sim)
	}
	contains(t, "status", get(t, fleet[0].URL+"/status?auth_id=a").raw, `"state":"failed","reason":"PhoneRejected"`)
	create(t, fleet[0].URL, "a", unreachable).wantLimit(t, "SEND_LIMITS 1/1h")
	create(t, fleet[0].URL, "b", anyone)
	settled(t, sim)
	create(t, fleet[0].URL, "b", anyone).wantLimit(t, "SEND_LIMITS 1/1h")
	create(t, fleet[0].URL, "c", "12065550177").wantLimit(t, "SEND_LIMITS_TOTAL 3/1h")
}

// TestWithoutReceipts: without PUBLIC_URL messages ask for no receipts, and there
// is no webhook.
func TestWithoutReceipts(t *testing.T) {
	p, sim := service(t)
	create(t, p.URL, "a", anyone)
	if m := sim.Messages(); len(m) != 1 || m[0].Callback != "" {
		t.Errorf("messages %+v", m)
	}
	do(t, http.MethodPost, p.URL+"/webhooks/flowroute/"+testWebhookToken, `{}`).want(t, 404, "NotFound")
}
