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
