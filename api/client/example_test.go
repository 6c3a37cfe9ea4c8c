package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/api/client"
)

func ExampleClient_CreateAuth() {
	service := fakeService(
		`200 {"message":"Success: Verification code created.","auth_id":"user-42","expires_in":3600,"attempts_left":3}`,
		`400 {"message":"Required arguments: recipient must be 1 and ten digits","reason":"InvalidAPIUsage"}`,
		`500 {"message":"Message unconfirmed","reason":"MessageUnconfirmed"}`,
		`403 {"message":"Recipient not allowed","reason":"RecipientNotAllowed"}`,
	)
	defer service.Close()
	c, err := client.New(service.URL)
	if err != nil {
		fmt.Println(err)
		return
	}

	for range 4 {
		auth, err := c.CreateAuth(context.Background(), "user-42", "12065551234")
		switch reason := client.ReasonOf(err); {
		case err == nil:
			fmt.Println("Code sent, good for", auth.ExpiresIn, "and", auth.AttemptsLeft, "wrong tries.")
		case reason == client.MessageUnconfirmed:
			fmt.Println("The code should arrive. If it does not, ask for a new one.")
		case reason == client.InvalidAPIUsage, reason == client.RecipientNotAllowed, reason == client.MessageRejected:
			fmt.Println("We cannot send to this number. Please check it.")
		default:
			fmt.Println("Sorry, not now:", err)
		}
	}
	// Output:
	// Code sent, good for 1h0m0s and 3 wrong tries.
	// We cannot send to this number. Please check it.
	// The code should arrive. If it does not, ask for a new one.
	// We cannot send to this number. Please check it.
}

func ExampleClient_AuthenticateCode() {
	service := fakeService(
		`400 {"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":2}`,
		`400 {"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":0}`,
		`400 {"message":"Expired code","reason":"ExpiredAuthCode","attempts_left":0}`,
		`429 {"message":"Limit reached","reason":"RateLimited","limit":"SEND_LIMITS 5/10m","retry_after":90}`,
		`200 {"authenticated":true,"auth_id":"user-42","message":"Success: Authorization code verified."}`,
	)
	defer service.Close()
	c, err := client.New(service.URL)
	if err != nil {
		fmt.Println(err)
		return
	}

	for range 5 {
		err := c.AuthenticateCode(context.Background(), "user-42", "0042")
		if err == nil {
			fmt.Println("Verified.")
			continue
		}
		var e *client.Error
		if !errors.As(err, &e) {
			fmt.Println("No answer:", err)
			continue
		}
		switch e.Reason {
		case client.InvalidAuthCode:
			fmt.Println("Wrong code. Tries left:", e.AttemptsLeft)
		case client.ExpiredAuthCode, client.UnknownAuthID:
			fmt.Println("Too late. Ask for a new code.")
		case client.RateLimited:
			fmt.Println("Too many tries. Come back in", e.RetryAfter.Round(time.Second))
		default:
			fmt.Println("Sorry, not now:", err)
		}
	}
	// Output:
	// Wrong code. Tries left: 2
	// Wrong code. Tries left: 0
	// Too late. Ask for a new code.
	// Too many tries. Come back in 1m30s
	// Verified.
}

// A service for logins and payouts, with messages in the person's language.
func ExampleWithProfile() {
	service := fakeService(
		`200 {"message":"Success: Verification code created.","auth_id":"user-42","expires_in":600,"attempts_left":5}`,
		`200 {"authenticated":true,"auth_id":"user-42","message":"Success: Authorization code verified."}`,
		`403 {"message":"This API key may not use the profile","reason":"ProfileNotAllowed"}`,
	)
	defer service.Close()
	ctx := context.Background()
	c, err := client.New(service.URL, client.WithAPIKey("the-key-of-this-application"))
	if err != nil {
		fmt.Println(err)
		return
	}

	login := client.WithProfile("login")
	auth, err := c.CreateAuth(ctx, "user-42", "12065551234", login, client.WithLocale("es-MX"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Code sent, good for", auth.ExpiresIn)
	if err := c.AuthenticateCode(ctx, "user-42", "490371", login, client.SentTo("12065551234")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Logged in.")
	_, err = c.CreateAuth(ctx, "user-42", "12065551234", client.WithProfile("payout"))
	fmt.Println(err)
	// Output:
	// Code sent, good for 10m0s
	// Logged in.
	// client: create: profile not allowed for this API key
}

// fakeService gives the answers in order. In an answer %s stands for the auth_id.
func fakeService(answers ...string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			AuthID string `json:"auth_id"`
		}
		_ = json.NewDecoder(r.Body).Decode(&request)
		var status int
		_, _ = fmt.Sscan(answers[0], &status)
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "90")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, strings.ReplaceAll(answers[0][len("200 "):], "%s", request.AuthID))
		answers = answers[1:]
	}))
}
