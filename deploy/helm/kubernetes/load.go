package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const clients = 8

// load uses the service steadily, as applications do.
type load struct {
	service, simulator string
	stop               chan struct{}
	clients            sync.WaitGroup
	answers            atomic.Int64

	mu       sync.Mutex
	failures []failure
}

// failure is a request that did not get the right answer.
type failure struct {
	begun time.Time
	what  string
}

// startLoad starts the clients. Half of them keep their connections, half open one for each request.
func startLoad(service, simulator string) *load {
	l := &load{service: service, simulator: simulator, stop: make(chan struct{})}
	for i := range clients {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		l.clients.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(10 * time.Millisecond):
					l.verify(client)
				}
			}
		})
	}
	return l
}

// finish stops the clients. It returns the number of right answers, and what failed.
func (l *load) finish() (int64, []failure) {
	close(l.stop)
	l.clients.Wait()
	return l.answers.Load(), l.failures
}

var entries atomic.Int64

// verify requests a code and enters a wrong one, the right one, and the right one again.
func (l *load) verify(client *http.Client) {
	n := entries.Add(1)
	id, number := fmt.Sprint("signup-", n), fmt.Sprint(12062000000+n)
	if !l.expect(client, "200 ", http.MethodPost, "/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q}`, id, number)) {
		return
	}
	var sent struct{ Messages []struct{ Body string } }
	if err := call(http.DefaultClient, http.MethodGet, l.simulator+"/_sim/messages?to="+number, "", new(int), &sent); err != nil || len(sent.Messages) != 1 {
		l.fail(time.Now(), fmt.Sprintf("%d messages for one code (%v)", len(sent.Messages), err))
		return
	}
	code, _, _ := strings.Cut(sent.Messages[0].Body, "\n")
	wrong := "1" + code[1:]
	if wrong == code {
		wrong = "2" + code[1:]
	}
	body := func(code string) string { return fmt.Sprintf(`{"auth_id":%q,"code":%q}`, id, code) }
	l.expect(client, "400 InvalidAuthCode", http.MethodPost, "/verify", body(wrong))
	if l.expect(client, "200 ", http.MethodGet, "/?"+url.Values{"auth_id": {id}, "code": {code}}.Encode(), "") {
		l.expect(client, "400 UnknownAuthId", http.MethodPost, "/verify", body(code))
	}
}

// expect makes a request whose answer must have a status and a reason.
func (l *load) expect(client *http.Client, want, method, path, body string) bool {
	begun := time.Now()
	var status int
	var answer struct{ Reason string }
	err := call(client, method, l.service+path, body, &status, &answer)
	got := fmt.Sprintf("%d %s", status, answer.Reason)
	if err == nil && got == want {
		l.answers.Add(1)
		return true
	}
	l.fail(begun, fmt.Sprintf("%s %s: %s (%v), not %s", method, path, got, err, want))
	return false
}

func (l *load) fail(begun time.Time, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, failure{begun, what})
}

func call(client *http.Client, method, address, body string, status *int, answer any) error {
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	*status = response.StatusCode
	return json.NewDecoder(response.Body).Decode(answer)
}
