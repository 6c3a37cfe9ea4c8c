// Package deploytest tests the images and the compose file. compose.sh starts them
// and runs these tests, which are skipped without it.
package deploytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// deployment is what compose.sh started.
type deployment struct {
	url       string // of the balancer
	simulator string // of Flowroute
	project   string // of compose
	compose   string // docker-compose, or docker compose
}

func openDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{
		url:       os.Getenv("DEPLOYED_URL"),
		simulator: os.Getenv("DEPLOYED_SIMULATOR"),
		project:   os.Getenv("COMPOSE_PROJECT_NAME"),
		compose:   os.Getenv("DEPLOYED_COMPOSE"),
	}
	if d.url == "" {
		t.Skip("nothing is deployed; see deploy/test/compose.sh")
	}
	return d
}

// run runs a program in deploy/ and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = ".."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// containers returns the ids of the running containers of a service.
func (d *deployment) containers(t *testing.T, service string) []string {
	t.Helper()
	return strings.Fields(run(t, "docker", "ps", "-q", "--no-trunc",
		"--filter", "label=com.docker.compose.project="+d.project, "--filter", "label=com.docker.compose.service="+service))
}

func (d *deployment) scale(t *testing.T, replicas int) {
	t.Helper()
	args := append(strings.Fields(d.compose), "up", "-d", "--no-deps", "--no-recreate", "--scale", fmt.Sprint("sms-verification=", replicas), "sms-verification")
	run(t, args[0], args[1:]...)
}

func (d *deployment) healthy(t *testing.T, container string) {
	t.Helper()
	codestest.Await(t, time.Minute, "healthy", func() bool {
		return run(t, "docker", "inspect", "-f", "{{.State.Health.Status}}", container) == "healthy"
	})
}

// answer is the answer to a request.
type answer struct {
	begun, ended time.Time
	status       int   // 0 if there was no answer
	err          error // then
	retryAfter   string
	body         struct {
		Message, Reason string
		AttemptsLeft    int `json:"attempts_left"`
	}
}

func (a *answer) String() string {
	return fmt.Sprintf("%d %s %s (%v, %v)", a.status, a.body.Reason, a.body.Message, a.err, a.ended.Sub(a.begun).Round(time.Millisecond))
}

// failed reports whether a healthy service would not give this answer.
func (a *answer) failed() bool { return a.status == 0 || a.status >= 500 }

// refused reports whether it is the documented answer of a request without effect.
func (a *answer) refused() bool {
	return a.status == 503 && a.body.Reason == "ServiceUnavailable" && a.retryAfter != ""
}

var httpClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 200}}

func (d *deployment) send(method, path, body string) *answer {
	a := &answer{begun: time.Now()}
	defer func() { a.ended = time.Now() }()
	request, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		a.err = err
		return a
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := httpClient.Do(request)
	if err != nil {
		a.err = err
		return a
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(raw, &a.body)
	}
	if a.err = err; err == nil {
		a.status, a.retryAfter = response.StatusCode, response.Header.Get("Retry-After")
	}
	return a
}

func (d *deployment) create(e entry) *answer {
	return d.send(http.MethodPost, "/", fmt.Sprintf(`{"auth_id":%q,"recipient":%q}`, e.id, e.number))
}

func (d *deployment) check(e entry, code string) *answer {
	return d.send(http.MethodPost, "/verify", fmt.Sprintf(`{"auth_id":%q,"code":%q}`, e.id, code))
}

// checkByGet is check on the route of the predecessor.
func (d *deployment) checkByGet(e entry, code string) *answer {
	return d.send(http.MethodGet, "/?"+url.Values{"auth_id": {e.id}, "code": {code}}.Encode(), "")
}

// entry is an entry with its own number.
type entry struct{ id, number string }

var (
	entries atomic.Int64
	first   = time.Now().UnixMilli()
)

func newEntry() entry {
	n := first + entries.Add(1)
	return entry{id: fmt.Sprint("deploy-", time.Now().UnixNano(), "-", n), number: fmt.Sprint("1206", 2_000_000+n%8_000_000)} // whose exchange begins with 2 at least
}

// codeOf returns the code that was sent to an entry's number.
func (d *deployment) codeOf(e entry) (string, error) {
	response, err := httpClient.Get(d.simulator + "/_sim/messages?to=" + e.number)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var sent struct{ Messages []struct{ Body string } }
	if err := json.NewDecoder(response.Body).Decode(&sent); err != nil {
		return "", err
	}
	if len(sent.Messages) != 1 {
		return "", fmt.Errorf("%d messages for one create", len(sent.Messages))
	}
	code, _, _ := strings.Cut(sent.Messages[0].Body, "\n")
	return code, nil
}

// wrong returns a wrong code of the same length.
func wrong(code string) string {
	if code[0] == '1' {
		return "2" + code[1:]
	}
	return "1" + code[1:]
}
