package main

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

const testWebhookToken = "webhook-token-0123456789.~_"

// withReceipts starts two replicas that ask for receipts. PUBLIC_URL must be
// known before they listen, so a proxy stands before them, as it would in
// production.
func withReceipts(t *testing.T, redis *redistest.Instance, sim *flowroutetest.Server, extra ...string) []*process {
	t.Helper()
	front := newFront(t)
	env := environment(redis, sim, append([]string{"PUBLIC_URL=" + front.url + "/", "WEBHOOK_TOKEN=" + testWebhookToken}, extra...)...)
	replicas := []*process{serveReady(t, env), serveReady(t, env)}
	front.to(replicas[0].URL, replicas[1].URL)
	return replicas
}

// sum adds up a metric over all replicas, by the labels that are asked for.
func sum(t *testing.T, replicas []*process, name string, by string) map[string]int64 {
	t.Helper()
	sums := map[string]int64{}
	for _, p := range replicas {
		for _, sample := range regexp.MustCompile(`(?m)^`+name+`\{(.*)\} (\S+)$`).FindAllStringSubmatch(get(t, p.Admin+"/metrics").raw, -1) {
			label := regexp.MustCompile(by + `="([^"]*)"`).FindStringSubmatch(sample[1])
			value, err := strconv.ParseFloat(sample[2], 64)
			if err != nil || label == nil {
				t.Fatalf("%s: %q", name, sample)
			}
			sums[label[1]] += int64(value)
		}
	}
	return sums
}

func total(sums map[string]int64) (n int64) {
	for _, value := range sums {
		n += value
	}
	return n
}

func settled(t *testing.T, sim *flowroutetest.Server) {
	t.Helper()
	eventually(t, 20*time.Second, "every receipt is answered", func() bool { return sim.Pending() == 0 })
}

// TestReceiptsOverReplicas sends receipts of every form, in any order, early
// and more than once, to two replicas. What is counted is exactly what the
// simulator said.
func TestReceiptsOverReplicas(t *testing.T) {
	redis := redistest.Server(t)
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond, ReceiptRetry: 50 * time.Millisecond})
	replicas := withReceipts(t, redis, sim, "SEND_LIMITS=1000/1h", "SEND_LIMITS_TOTAL=100000/1h")
	numbers := append(slices.Collect(maps.Keys(flowroutetest.MagicDeliveries())), "12065550142", "14165550142")
	const each = 5
	var wg sync.WaitGroup
	for _, number := range numbers {
		wg.Go(func() {
			for i := range each {
				if a := create(t, replicas[i%2].URL, fmt.Sprint(number, "-", i), number); a.status != http.StatusOK {
					t.Errorf("create: %d %s", a.status, a.raw)
				}
			}
		})
	}
	wg.Wait()
	settled(t, sim)

	said := sim.Requests()
	for _, p := range replicas {
		if regexp.MustCompile(`its receipts will not be known|:token","status":503`).MatchString(p.stderr.String()) {
			t.Skip("the machine is too slow for Redis to answer in time")
		}
	}
	delivered, undelivered := sum(t, replicas, "smsv_codes_delivered_total", "area"), sum(t, replicas, "smsv_codes_undelivered_total", "area")
	if total(delivered) != said.Delivered || total(undelivered) != said.Undelivered {
		t.Errorf("delivered %v, undelivered %v; the simulator said %+v", delivered, undelivered, said)
	}
	if said.Delivered < each*8 || said.Undelivered != 2*each || delivered["us"] != each || delivered["ca"] != each {
		t.Errorf("delivered %v, undelivered %v; the simulator said %+v", delivered, undelivered, said)
	}
	if got := total(sum(t, replicas, "smsv_receipts_total", "result")); got != said.Receipts || said.Lost != 0 {
		t.Errorf("%d receipts counted; the simulator said %+v", got, said)
	}
	results, statuses := sum(t, replicas, "smsv_receipts_total", "result"), sum(t, replicas, "smsv_receipts_total", "status")
	t.Log(results, statuses)
	if results["early"] == 0 || results["duplicate"] == 0 || results["joined"] == 0 || statuses["other"] != each {
		t.Errorf("receipts by result %v, by status %v", results, statuses)
	}
	for number, want := range map[string]string{
		"12065550142": "delivered", "15005550101": "failed", "15005550102": "sent", "15005550103": "sent", "15005550104": "delivered",
		"15005550105": "sent", "15005550106": "delivered", "15005550110": "delivered", "15005550112": "delivered", "15005550114": "failed",
	} {
		a := get(t, replicas[1].URL+"/status?auth_id="+number+"-0")
		if a.status != http.StatusOK || !strings.Contains(a.raw, `"state":"`+want+`"`) || a.body.ExpiresIn < 3500 || *a.body.AttemptsLeft != 3 {
			t.Errorf("status of %s: %d %s, want %s", number, a.status, a.raw, want)
		}
	}
}

// TestRejectedMessage: a number whose phone rejects messages gets its place
// back, but not without end, and the service's spending stays counted.
func TestRejectedMessage(t *testing.T) {
	redis := redistest.Server(t)
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond})
	replicas := withReceipts(t, redis, sim, "SEND_LIMITS=1/1h", "SEND_LIMITS_TOTAL=3/1h")
	const unreachable = "15005550101"
	for i := range 2 {
		if a := create(t, replicas[i%2].URL, "a", unreachable); a.status != http.StatusOK {
			t.Fatalf("create %d: %d %s", i, a.status, a.raw)
		}
		settled(t, sim)
	}
	a := get(t, replicas[0].URL+"/status?auth_id=a")
	contains(t, "status", a.raw, `"state":"failed","reason":"PhoneRejected"`)
	if a := create(t, replicas[0].URL, "a", unreachable); a.body.Limit != "SEND_LIMITS 1/1h" {
		t.Errorf("places are given back without end: %d %s", a.status, a.raw)
	}
	create(t, replicas[0].URL, "b", anyone)
	settled(t, sim)
	if a := create(t, replicas[0].URL, "b", anyone); a.body.Limit != "SEND_LIMITS 1/1h" {
		t.Errorf("what arrived was given back: %d %s", a.status, a.raw)
	}
	if a := create(t, replicas[0].URL, "c", "12065550177"); a.body.Limit != "SEND_LIMITS_TOTAL 3/1h" {
		t.Errorf("what was paid for was given back: %d %s", a.status, a.raw)
	}
}

// TestReceiptsDuringAnOutage: receipts that Redis could not take come again,
// and count once.
func TestReceiptsDuringAnOutage(t *testing.T) {
	redis := redistest.Server(t)
	sim := startSimulator(t, flowroutetest.Options{ReceiptDelay: 500 * time.Millisecond, ReceiptRetry: time.Second})
	replicas := withReceipts(t, redis, sim)
	const messages = 5
	for i := range messages {
		create(t, replicas[i%2].URL, fmt.Sprint(i), anyone)
	}
	redis.Signal(syscall.SIGSTOP)
	eventually(t, 10*time.Second, "receipts are refused", func() bool { return sim.Requests().Unanswered >= messages })
	redis.Signal(syscall.SIGCONT)
	settled(t, sim)
	said := sim.Requests()
	if got := total(sum(t, replicas, "smsv_codes_delivered_total", "area")); got != messages || said.Delivered != messages || said.Lost != 0 {
		t.Errorf("%d delivered; the simulator said %+v", got, said)
	}
	for _, p := range replicas {
		contains(t, "log", p.stderr.String(), `"route":"POST /webhooks/flowroute/:token","status":503`)
	}
}

// TestReceiptsInDebugMode: they come without any setting.
func TestReceiptsInDebugMode(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", ":0"} {
		p := serveReady(t, debugEnvironment("LISTEN_ADDR="+listen))
		create(t, p.URL, "a", anyone)
		eventually(t, 10*time.Second, "the message is delivered", func() bool {
			return strings.Contains(get(t, p.URL+"/status?auth_id=a").raw, `"state":"delivered"`)
		})
		p.signal(syscall.SIGTERM)
		if status := p.exit(t, 10*time.Second); status != 0 {
			t.Errorf("exit status %d", status)
		}
	}
}

// TestWithoutReceipts: nothing is asked for, nothing taken, and the status says so.
func TestWithoutReceipts(t *testing.T) {
	redis, sim := redistest.Server(t), startSimulator(t, flowroutetest.Options{})
	p := serveReady(t, environment(redis, sim))
	create(t, p.URL, "a", anyone)
	if m := sim.Messages(); len(m) != 1 || m[0].Callback != "" {
		t.Errorf("messages %+v", m)
	}
	contains(t, "status", get(t, p.URL+"/status?auth_id=a").raw, `"state":"created"`)
	for _, token := range []string{"", "x", testWebhookToken} {
		if a := do(t, http.MethodPost, p.URL+"/webhooks/flowroute/"+token, `{}`); a.status != http.StatusNotFound || a.body.Reason != "NotFound" {
			t.Errorf("%q: %d %s", token, a.status, a.raw)
		}
	}
}
