package clienttest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"
)

// service is the address of the running service.
var service = os.Getenv("SERVICE")

var printedCode = regexp.MustCompile(`│ ([0-9]{4}) +│`)

// received returns the code of the nth SMS that the service has printed.
func received(t *testing.T, n int) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(os.Getenv("SMS"))
		if err != nil {
			t.Fatal(err)
		}
		if codes := printedCode.FindAllSubmatch(text, -1); len(codes) >= n {
			return string(codes[n-1][1])
		}
	}
	t.Fatalf("no SMS %d was printed", n)
	return ""
}

// wrong returns another code of the same length.
func wrong(code string) string {
	last := code[3]
	return fmt.Sprintf("%s%d", code[:3], (last-'0'+1)%10)
}

// later starts a service with one answer to all requests, one of a later version.
func later(t *testing.T, status int, body string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Request-Id", "1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Answers of a later version, with reasons that are not described.
const (
	newReason  = `{"message":"m","reason":"NotKnownYet","attempts_left":2}`
	newFailure = `{"auth_id":"a","state":"failed","reason":"NotKnownYet","description":"d","attempts_left":3,"expires_in":60}`
)
