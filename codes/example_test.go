package codes_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/codes/codestest"
)

func ExampleService() {
	message, err := codes.ParseTemplate("{code} is your code for {org}.")
	if err != nil {
		fmt.Println(err)
		return
	}
	sender := &codestest.Sender{} // in place of the carrier
	service := codes.NewService(codes.Options{
		Policy: codes.Policy{
			CodeLength: 6, Lifetime: 10 * time.Minute, Notice: 10 * time.Minute, Attempts: 5,
			Message: message, OrgName: "Example",
		},
		Secret:      codes.NewHasher([]byte("secret")),
		Store:       codestest.NewModel(), // in place of Redis
		Sender:      sender,
		SendTimeout: 10 * time.Second,
	})

	ctx := context.Background()
	created, err := service.Create(ctx, codes.CreateRequest{ID: "user-42", Recipient: "12065551234"})
	fmt.Println(created.Attempts, "attempts in", created.Lifetime, err)

	sms := sender.Messages()[0]
	fmt.Println("sent", sms.Text, "to", sms.To) // secrets print masked
	digits, _, _ := strings.Cut(string(sms.Text), " ")
	code, err := codes.ParseCode(digits)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		outcome, err := service.Check(ctx, codes.CheckRequest{ID: "user-42", Code: code})
		fmt.Println("right:", outcome.Status == codes.Right, "unknown:", outcome.Status == codes.Unknown, err)
	}
	// Output:
	// 5 attempts in 10m0s <nil>
	// sent [text] to [number …34]
	// right: true unknown: false <nil>
	// right: false unknown: true <nil>
}

func ExampleParseTemplate() {
	message, err := codes.ParseTemplate("{code} is your {org} code. It ends in {minutes} minutes. {Other} braces stay.")
	if err != nil {
		fmt.Println(err)
		return
	}
	text := message.Render("0042", "{Curly} & Co", 90*time.Second)
	fmt.Println(string(text))

	_, err = codes.ParseTemplate("Welcome to {org}!")
	fmt.Println(err)
	// Output:
	// 0042 is your {Curly} & Co code. It ends in 2 minutes. {Other} braces stay.
	// must contain the code: {code} or {}
}

func ExampleSegments() {
	for _, text := range []codes.Text{
		"0042 is your code.",
		codes.Text(strings.Repeat("a", 161)),
		"0042 is your code – don’t share it, whoever asks. We never call you for it.",
	} {
		n, ascii := codes.Segments(text)
		fmt.Println(n, ascii)
	}
	// Output:
	// 1 true
	// 2 true
	// 2 false
}

func ExampleOdds() {
	limits := codes.Limits{Guesses: []codes.Window{{Max: 20, Span: 24 * time.Hour}}}
	limits.Sends = limits.Guesses // twenty of each a day
	guesses := codes.MaxGuessesPerDay(limits, 5, 10*time.Minute)
	fmt.Printf("%.0f wrong codes a day, 1 number in %.0f\n", guesses, 1/codes.Odds(6, guesses))
	// Output:
	// 120 wrong codes a day, 1 number in 8334
}
