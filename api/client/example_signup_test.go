package client_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"

	"github.com/flowroute/sms-verification/api/client"
)

// shop is a web application that verifies the phone number of each account.
type shop struct {
	verifier *client.Client
	accounts map[string]string // number by session; a real one has a database and a lock
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /signup", s.signUp)
	mux.HandleFunc("POST /signup/code", s.confirm)
	return mux
}

// signUp sends a code to the number. The auth_id contains the session, so that a code is
// valid only in the browser that requested it.
func (s *shop) signUp(w http.ResponseWriter, r *http.Request) {
	session, number := rand.Text(), r.FormValue("phone")
	_, err := s.verifier.CreateAuth(r.Context(), "signup-"+session, number)
	switch client.ReasonOf(err) {
	case client.InvalidAPIUsage, client.RecipientNotAllowed, client.MessageRejected:
		http.Error(w, "We cannot text this number. Please check it.", http.StatusBadRequest)
		return
	case client.RateLimited:
		http.Error(w, "That is enough codes for now. Please try again later.", http.StatusTooManyRequests)
		return
	}
	if err != nil && client.ReasonOf(err) != client.MessageUnconfirmed { // the message may arrive
		http.Error(w, "Sorry, not now. Please try again.", http.StatusServiceUnavailable)
		return
	}
	s.accounts[session] = number
	http.SetCookie(w, &http.Cookie{Name: "signup", Value: session, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode})
	_, _ = fmt.Fprintln(w, "We have sent you a code.")
}

// confirm creates the account if the code is right.
func (s *shop) confirm(w http.ResponseWriter, r *http.Request) {
	session, err := r.Cookie("signup")
	if err != nil {
		http.Error(w, "Please sign up first.", http.StatusBadRequest)
		return
	}
	err = s.verifier.AuthenticateCode(r.Context(), "signup-"+session.Value, r.FormValue("code"),
		client.SentTo(s.accounts[session.Value]))
	var refused *client.Error
	switch {
	case err == nil:
		_, _ = fmt.Fprintln(w, "Welcome! Your number is", s.accounts[session.Value])
	case !errors.As(err, &refused) || refused.Status >= http.StatusInternalServerError:
		http.Error(w, "Sorry, not now. Please try again.", http.StatusServiceUnavailable)
	case refused.AttemptsLeft > 0 || refused.Reason == client.InvalidAPIUsage:
		http.Error(w, "That is not the code. Please look again.", http.StatusForbidden)
	default:
		http.Error(w, "This code is void. Please ask for a new one.", http.StatusForbidden)
	}
}

// A sign-up that only the owner of the phone can complete.
func Example_signUp() {
	service := fakeService( // in reality, the address of the running service
		`200 {"message":"Success: Verification code created.","auth_id":"%s","expires_in":3600,"attempts_left":3}`,
		`400 {"message":"Invalid code","reason":"InvalidAuthCode","attempts_left":2}`,
		`200 {"authenticated":true,"auth_id":"%s","message":"Success: Authorization code verified."}`,
	)
	defer service.Close()
	verifier, err := client.New(service.URL, client.WithAPIKey("the-key-of-this-application"), client.WithRetries(3))
	if err != nil {
		fmt.Println(err)
		return
	}
	web := httptest.NewServer((&shop{verifier, map[string]string{}}).handler())
	defer web.Close()

	jar, _ := cookiejar.New(nil) // never fails
	browser := &http.Client{Jar: jar}
	send := func(path, field, value string) {
		res, err := browser.PostForm(web.URL+path, url.Values{field: {value}})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _ = res.Body.Close() }()
		text, _ := io.ReadAll(res.Body)
		fmt.Printf("%d %s", res.StatusCode, text)
	}
	send("/signup", "phone", "12065551234")
	send("/signup/code", "code", "1234")
	send("/signup/code", "code", "4903")
	// Output:
	// 200 We have sent you a code.
	// 403 That is not the code. Please look again.
	// 200 Welcome! Your number is 12065551234
}
