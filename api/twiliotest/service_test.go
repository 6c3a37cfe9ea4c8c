package twiliotest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"
)

const (
	account   = "AC0123456789abcdef0123456789abcdef"
	authToken = "0123456789abcdef0123456789abcdef"
	service   = "VA0123456789abcdef0123456789abcdef"
)

// binary builds the service once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "twiliotest")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sms-verification")
	build := exec.Command("go", "build", "-o", path, "./cmd/sms-verification")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// running is the service in debug mode, with Twilio's settings.
type running struct {
	address, host string
	sms           string // file with the printed messages
}

// serve starts the service with additional settings and stops it at the end of the test.
func serve(t *testing.T, settings ...string) *running {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := &running{sms: filepath.Join(dir, "sms")}
	cmd := exec.Command(path)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"DEBUG_MODE=true", "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=off", "TWILIO_API=true",
		"AUTH_MESSAGE=Code: {code}.", "CODE_LENGTH=6", "CODE_EXPIRATION=600", "RETRIES_ALLOWED=5",
		fmt.Sprintf("API_KEYS=shop:%x", sha256.Sum256([]byte(authToken))),
	}, settings...)
	log := create(t, filepath.Join(dir, "log"))
	cmd.Stdout, cmd.Stderr = create(t, r.sms), log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r.host = servingAt(t, log.Name()); r.host != "" {
			r.address = "http://" + r.host
			return r
		}
	}
	t.Fatal("the service does not listen")
	return nil
}

func create(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// servingAt returns the address in the log line "serving", or "" if there is none yet.
func servingAt(t *testing.T, log string) string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			return entry.Address
		}
	}
	return ""
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

// wrong returns another code of the same length.
func wrong(code string) string { return code[:len(code)-1] + string('0'+(code[len(code)-1]-'0'+1)%10) }

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
