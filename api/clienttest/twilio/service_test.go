package twilio

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"

	"github.com/flowroute/sms-verification/api/clienttest/program"
)

const (
	account   = "AC0123456789abcdef0123456789abcdef"
	authToken = "0123456789abcdef0123456789abcdef"
	service   = "VA0123456789abcdef0123456789abcdef"
)

func TestMain(m *testing.M) { program.Main(m) }

// running is the service in debug mode, with Twilio's settings.
type running struct {
	address, host string
	sms           string // file with the printed messages
}

// serve starts the service and stops it at the end of the test.
func serve(t *testing.T) *running {
	t.Helper()
	host, sms := program.Start(t, "TWILIO_API=true", "AUTH_MESSAGE=Code: {code}.", "CODE_LENGTH=6", "CODE_EXPIRATION=600", "RETRIES_ALLOWED=5",
		fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(authToken))))
	return &running{address: "http://" + host, host: host, sms: sms}
}

// code returns the code of the last message, which must be to the number.
func (r *running) code(t *testing.T, number string) string {
	t.Helper()
	text, err := os.ReadFile(r.sms)
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text[max(0, strings.LastIndex(string(text), "SMS to ")):]), "SMS to "+number)
	code := regexp.MustCompile(`Code: (\d+)\.`).FindStringSubmatch(last)
	if code == nil {
		t.Fatalf("the last message is not to %s", number)
	}
	return code[1]
}

// rewritten redirects the requests of Twilio's client to the service.
type rewritten struct{ host string }

func (h rewritten) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL.Scheme, r.URL.Host, r.Host = "http", h.host, h.host
	return http.DefaultTransport.RoundTrip(r)
}

// api returns Twilio's client with an auth token.
func (r *running) api(token string) *verify.ApiService {
	c := &client.Client{
		Credentials: client.NewCredentials(account, token),
		HTTPClient:  &http.Client{Transport: rewritten{r.host}, Timeout: 20 * time.Second},
	}
	return twilio.NewRestClientWithParams(twilio.ClientParams{Client: c}).VerifyV2
}

// get requests the url of a verification.
func get(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(account, authToken)
	res, err := http.Get(u.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
