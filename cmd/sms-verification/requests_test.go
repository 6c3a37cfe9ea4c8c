package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/apitest"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

const anyone = "12065550142"

// answer is the response to a request.
type answer struct {
	status int
	header http.Header
	closes bool // the connection, after the answer
	raw    string
	body   struct {
		Message       string
		Reason        string
		AuthID        string `json:"auth_id"`
		Authenticated bool
		AttemptsLeft  *int64 `json:"attempts_left"`
		ExpiresIn     int64  `json:"expires_in"`
		ResendAfter   int64  `json:"resend_after"`
		Limit         string
		RetryAfter    int64 `json:"retry_after"`
	}
}

// request sends a request with headers such as "Name: value".
func request(method, url, body string, headers ...string) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := testClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{status: response.StatusCode, header: response.Header, closes: response.Close, raw: string(raw)}
	if len(raw) > 0 && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		err = json.Unmarshal(raw, &a.body)
	}
	return a, err
}

// testClient fails a request whose answer openapi.yaml does not describe.
var testClient = &http.Client{Transport: described(&http.Transport{MaxIdleConnsPerHost: 200})}

func described(next http.RoundTripper) http.RoundTripper {
	text, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		panic(err)
	}
	description, err := apitest.New(text)
	if err != nil {
		panic(err)
	}
	return description.Transport(next)
}

// want expects a status and a reason, which is empty for a success.
func (a *answer) want(t testing.TB, status int, reason string) *answer {
	t.Helper()
	if a.status != status || a.body.Reason != reason {
		t.Errorf("answer %d %s, want %d %s", a.status, a.raw, status, reason)
	}
	return a
}

// wantLimit expects a refusal by a limit.
func (a *answer) wantLimit(t testing.TB, limit string) *answer {
	t.Helper()
	if a.status != http.StatusTooManyRequests || a.body.Limit != limit {
		t.Errorf("answer %d %s, want the limit %s", a.status, a.raw, limit)
	}
	return a
}

// wantLeft expects a number of attempts left.
func (a *answer) wantLeft(t testing.TB, left int64) *answer {
	t.Helper()
	if a.body.AttemptsLeft == nil || *a.body.AttemptsLeft != left {
		t.Errorf("answer %d %s, want %d attempts left", a.status, a.raw, left)
	}
	return a
}

func do(t testing.TB, method, url, body string, headers ...string) *answer {
	t.Helper()
	a, err := request(method, url, body, headers...)
	if err != nil {
		t.Errorf("%s: %v", method, errors.Unwrap(err))
		return &answer{}
	}
	return a
}

func get(t testing.TB, url string) *answer { t.Helper(); return do(t, http.MethodGet, url, "") }

func create(t testing.TB, url, id, recipient string, headers ...string) *answer {
	t.Helper()
	return createUnder(t, url, "", id, recipient, "", headers...)
}

// createUnder requests a code under a profile, which may be empty, with more members.
func createUnder(t testing.TB, url, profile, id, recipient, more string, headers ...string) *answer {
	t.Helper()
	return do(t, http.MethodPost, url+"/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q%s%s}`, id, recipient, memberOf(profile), more), headers...)
}

func memberOf(profile string) string {
	if profile == "" {
		return ""
	}
	return fmt.Sprintf(`,"profile":%q`, profile)
}

func verify(t testing.TB, url, id, code string, headers ...string) *answer {
	t.Helper()
	return verifyUnder(t, url, "", id, code, headers...)
}

func verifyUnder(t testing.TB, url, profile, id, code string, headers ...string) *answer {
	t.Helper()
	return do(t, http.MethodPost, url+"/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q%s}`, id, code, memberOf(profile)), headers...)
}

// codeSent returns the code of the last SMS to a number.
func codeSent(t testing.TB, sim *flowroutetest.Server, recipient string) string {
	t.Helper()
	messages := sim.Messages()
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].To == recipient {
			code, _, _ := strings.Cut(messages[i].Body, "\n")
			return code
		}
	}
	t.Fatalf("no SMS to the number")
	return ""
}

// sendCode requests a code and returns it.
func sendCode(t testing.TB, sim *flowroutetest.Server, url, id, recipient string, headers ...string) string {
	t.Helper()
	create(t, url, id, recipient, headers...).want(t, 200, "")
	return codeSent(t, sim, recipient)
}

// inParallel makes n requests that start at the same time.
func inParallel(n int, do func(i int) *answer) []*answer {
	answers, start := make([]*answer, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	return answers
}

// count counts the answers with a reason, or with an empty reason the successes.
func count(answers []*answer, reason string) (n int) {
	for _, a := range answers {
		if a.body.Reason == reason && (a.status == http.StatusOK) == (reason == "") {
			n++
		}
	}
	return n
}
