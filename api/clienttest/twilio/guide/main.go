// Sends a code to a number and checks what the person enters, through Twilio's client.
// It takes the service's address and the number.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"
)

// redirect sends the requests for Twilio Verify to another address.
type redirect struct {
	client.Client
	address string
}

func (r *redirect) SendRequest(method, rawURL string, data url.Values, headers map[string]any, body ...byte) (*http.Response, error) {
	rawURL = strings.Replace(rawURL, "https://verify.twilio.com", r.address, 1)
	return r.Client.SendRequest(method, rawURL, data, headers, body...)
}

func main() {
	credentials := client.NewCredentials(os.Getenv("TWILIO_ACCOUNT_SID"), os.Getenv("TWILIO_AUTH_TOKEN"))
	base := &redirect{Client: client.Client{Credentials: credentials}, address: os.Args[1]}
	api := twilio.NewRestClientWithParams(twilio.ClientParams{Client: base}).VerifyV2
	service, number := os.Getenv("TWILIO_SERVICE_SID"), os.Args[2]

	started, err := api.CreateVerification(service, (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("sms"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*started.Status)

	var code string
	fmt.Print("Code: ")
	if _, err := fmt.Scanln(&code); err != nil {
		log.Fatal(err)
	}
	checked, err := api.CreateVerificationCheck(service, (&verify.CreateVerificationCheckParams{}).SetTo(number).SetCode(code))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*checked.Status)
}
