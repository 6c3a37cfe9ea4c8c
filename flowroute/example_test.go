package flowroute_test

import (
	"context"
	"fmt"
	"time"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/flowroute/flowroutetest"
)

func ExampleClient_Send() {
	sim, err := flowroutetest.NewServer("", flowroutetest.Options{
		AccessKey: "access", SecretKey: "secret", Numbers: []string{"12065550101"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = sim.Close() }()

	client := flowroute.New(flowroute.Options{
		BaseURL: sim.URL, AccessKey: "access", SecretKey: "secret", From: "12065550101",
		Timeout: 10 * time.Second,
	})
	defer client.Close()

	id, err := client.Send(context.Background(), codes.Message{To: "12065551234", Text: "1234\nWelcome!"})
	sent := sim.Messages()[0]
	fmt.Println(err, id == sent.ID)
	fmt.Printf("%s: %q\n", sent.To, sent.Body)
	// Output:
	// <nil> true
	// 12065551234: "1234\nWelcome!"
}
