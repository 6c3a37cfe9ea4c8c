package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
	"github.com/flowroute/sms-verification/redisstore/redistest"
)

// TestNothingLeaks: no secret, code, number, id or key is readable in Redis, logs,
// metrics, traces or answers after every kind of request at debug level.
func TestNothingLeaks(t *testing.T) {
	const (
		apiKey     = "smsv_key-that-opens-the-door"
		codeSecret = "code-secret-0123456789abcdef"
		authID     = "id-of-alice@example.com"
		key        = "idempotency-key-to-be-found"
		password   = "redis-password-77"
		client     = "198.51.100.88"
	)
	redis := redistest.Server(t, "user app on >"+password+" ~* +@all")
	sim, traces := startSimulator(t, flowroutetest.Options{ReceiptDelay: time.Millisecond}), startCollector(t)
	const prefix = "leak:"
	p := withReceipts(t, 1, redis, sim,
		"REDIS_URL=redis://app:"+password+"@"+redis.Addr+"/0",
		"REDIS_KEY_PREFIX="+prefix, "LOG_LEVEL=debug", "CODE_SECRET="+codeSecret,
		"CODE_LENGTH=12", // long enough not to turn up by chance
		fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(apiKey))),
		"SEND_LIMITS=3/1h", "GUESS_LIMITS=9/1h", "SEND_LIMITS_TOTAL=50/1h", "CLIENT_LIMITS=9/1h", "FLOWROUTE_RATE=50", "CODE_EXPIRATION=2",
		"FLOWROUTE_TIMEOUT=1s", "BLOCKED_PREFIXES=1900", "OTEL_EXPORTER_OTLP_ENDPOINT="+traces.URL)[0]
	auth := as(apiKey)

	numbers := []string{anyone, "15005550422", "15005550500", "15005550004", "15005550002", "19005550142"}
	var answers []*answer
	say := func(a *answer) { answers = append(answers, a) }
	for _, number := range numbers {
		say(create(t, p.URL, authID, number, auth))
	}
	for range 4 {
		say(create(t, p.URL, authID, anyone, auth))
	}
	say(createUnder(t, p.URL, "", authID, "15005550422", `,"client":"`+client+`"`, auth, keyHeader(key)))
	code := codeSent(t, sim, anyone)
	settled(t, sim)
	say(get(t, p.URL+"/status?auth_id="+authID))
	say(do(t, http.MethodGet, p.URL+"/status?auth_id="+authID, "", auth))
	hook := p.URL + "/webhooks/flowroute/"
	say(do(t, http.MethodPost, hook+testWebhookToken, `{"data":{"body":"`+code+`",`))
	say(do(t, http.MethodPost, hook+testWebhookToken, `{"data":{"type":"message","id":"`+code+`","attributes":{"from":"`+anyone+`","body":"`+code+`"}}}`))
	say(do(t, http.MethodPost, hook+testWebhookToken, strings.Repeat(code, 10_000)))
	say(do(t, http.MethodPut, hook+testWebhookToken, code))
	say(do(t, http.MethodPost, hook+testWebhookToken+"x", code))
	say(do(t, http.MethodPost, hook+testWebhookToken+"/"+code, code))
	messageID := sim.Messages()[0].ID
	dump := redis.Dump(t, prefix) // while the entry is live
	wrong := otherCode(code)
	say(verify(t, p.URL, authID, wrong, auth, keyHeader(key)))
	dump += redis.Dump(t, prefix) // with the saved replies of the keys
	redis.NoKeyWithoutTTL(t, prefix)
	say(do(t, http.MethodGet, p.URL+"/?auth_id="+authID+"&code="+wrong, "", auth))
	say(do(t, http.MethodGet, p.URL+"/?auth_id="+authID+"&code="+code+"x", "", auth))
	say(do(t, http.MethodGet, p.URL+"/"+authID+"/"+code, "", auth))
	say(verify(t, p.URL, authID, code))
	say(verify(t, p.URL, authID, code, as(apiKey+"x")))
	say(do(t, http.MethodPost, p.URL+"/", `{"auth_id":"`+authID+`","recipient":"`+anyone+`"`, auth))
	say(do(t, http.MethodPost, p.URL+"/", `{"auth_id":"`+authID+`","recipient":"`+anyone+`0"}`, auth))
	say(do(t, http.MethodPost, p.URL+"/", `{"auth_id":"`+authID+`","recipient":`+anyone+`}`, auth, "Content-Type: text/plain"))
	time.Sleep(2100 * time.Millisecond)
	say(verify(t, p.URL, authID, code, auth))
	say(verify(t, p.URL, authID, code, auth))
	say(create(t, p.URL, authID, "12065550144", auth))
	say(verify(t, p.URL, authID, codeSent(t, sim, "12065550144"), auth))
	dump += redis.Dump(t, prefix)
	picture := succeeds(t, nil, "top", "--once", p.Admin)
	redis.Signal(syscall.SIGKILL)
	say(verify(t, p.URL, authID, code, auth))
	say(create(t, p.URL, authID, anyone, auth))
	say(do(t, http.MethodPost, hook+testWebhookToken, `{"type":"delivery_receipt","id":"`+messageID+`","attributes":{"body":"`+code+`","status":"`+code+`"}}`))
	metrics := get(t, p.Admin+"/metrics").raw
	p.stop(t, 0)

	bodies := ""
	for _, a := range answers {
		bodies += fmt.Sprint(a.header) + strings.ReplaceAll(a.raw, `"auth_id":"`+authID+`"`, "") // the echo to its caller
	}
	shown := map[string]string{
		"log": p.stderr.String(), "stdout": p.stdout.String(), "Redis": dump, "metrics": metrics, "top": picture, "traces": traces.all.String(), "an answer": bodies,
	}
	for what, secret := range map[string]string{
		"access key": testAccessKey, "secret key": testSecretKey, "code secret": codeSecret, "API key": apiKey, "Idempotency-Key": key,
		"webhook token": testWebhookToken, "message id": messageID,
		"Redis password": password, "auth_id": authID, "code": code, "code without zeros": strings.TrimLeft(code, "0"),
		"second code": codeSent(t, sim, "12065550144"), "wrong code": wrong, "sender": testSender, "text": "Use this one-time code",
		"basic auth": "YWNjZXNza2V5", "number": anyone, "number 2": "12065550144", "number refused": "15005550422",
		"number unconfirmed": "15005550004", "national number": anyone[1:], "client": client,
	} {
		for where, text := range shown {
			lacks(t, what+" in "+where, text, secret)
		}
	}
	// The pseudonym of a number in the log is not in Redis.
	followed := regexp.MustCompile(`"recipient":"([0-9a-f]{10})","recipient_ends":"42"`).FindStringSubmatch(p.stderr.String())
	if followed == nil || strings.Contains(dump, followed[1]) || strings.Contains(fmt.Sprintf("%x", dump), followed[1]) {
		t.Errorf("the log has %q for the number", followed)
	}
	// Everything was there to be searched.
	contains(t, "the log", shown["log"], `"caller":"shop"`)
	contains(t, "Redis", dump, prefix)
	contains(t, "metrics", metrics, "smsv_http_requests_total", `smsv_codes_delivered_total{area="us",caller="shop"}`)
	contains(t, "top", picture, "HTTP POST /verify")
	contains(t, "traces", shown["traces"], "flowroute send")
	contains(t, "answers", bodies, "UnknownAuthId")
}
