package monitoring_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/api/client"
	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestLive runs two services and a Prometheus with the shipped alerts. Pumping on one
// fires the alert within a minute. Ordinary use of the other fires none, and
// every query of the dashboard finds data.
func TestLive(t *testing.T) {
	t.Parallel()
	codestest.Installed(t, "prometheus")
	binary, err := codestest.Build(t.TempDir(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	attacked := startService(t, binary)
	ordinary := startService(t, binary, "CODE_EXPIRATION=10", "FLOWROUTE_RATE=0", "SEND_LIMITS_TOTAL=5000/24h",
		fmt.Sprintf("API_KEYS=shop:%x,bank:%x", sha256.Sum256([]byte("shop-key")), sha256.Sum256([]byte("bank-key"))))
	prometheus := startPrometheus(t, map[string]string{"sms-verification-attacked": attacked.admin, "sms-verification-ordinary": ordinary.admin})

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	ordinary.mishaps(t)
	wg.Go(func() { ordinary.people(ctx) })
	begun := time.Now()
	wg.Go(func() { attacked.pump(ctx) })

	prometheus.await(t, time.Minute, "the alert", `ALERTS{alertname="SmsvPumpingSuspected",alertstate="firing",job="sms-verification-attacked",area="caribbean"}`)
	t.Logf("pumping was noticed after %v", time.Since(begun).Round(time.Second))
	prometheus.await(t, time.Minute, "the alert", `ALERTS{alertname="SmsvUnverifiedShadow",alertstate="firing",job="sms-verification-attacked",kind="exchange"}`)
	prometheus.await(t, time.Minute, "as many ordinary codes as the alert asks for",
		`smsv:codes_created:increase5m{job="sms-verification-ordinary",area="us"} >= 60`)
	if found := prometheus.query(t, `ALERTS{alertstate="firing",job="sms-verification-ordinary"}`); len(found) > 0 {
		t.Errorf("ordinary use fires %v", found)
	}
	variables := strings.NewReplacer("$__rate_interval", "10s", "$__range", "5m", "$price", "0.004",
		"$job", "sms-verification-ordinary", "$area", ".*", "$caller", ".*")
	deadline := time.Now().Add(20 * time.Second)
	for _, p := range board(t).Panels {
		for _, q := range p.Targets {
			expression := "(" + variables.Replace(q.Expr) + ") >= 0" // not NaN either
			for len(prometheus.query(t, expression)) == 0 {
				if time.Now().After(deadline) {
					t.Errorf("%s %s finds nothing: %s", p.Title, q.RefID, expression)
					break
				}
				time.Sleep(200 * time.Millisecond)
			}
		}
	}
	if len(prometheus.query(t, variables.Replace(board(t).Annotations.List[0].Expr))) > 0 {
		t.Error("the dashboard shows alerts of another service")
	}
}

// service is a running service in debug mode.
type service struct{ url, admin string }

func startService(t *testing.T, binary string, extra ...string) service {
	t.Helper()
	public, admin := codestest.FreeAddr(t), codestest.FreeAddr(t)
	cmd := exec.Command(binary)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"DEBUG_MODE=true", "LISTEN_ADDR=" + public, "ADMIN_ADDR=" + admin}, extra...)
	run(t, cmd)
	codestest.Await(t, 20*time.Second, "the service is ready", func() bool { return status("http://"+admin+"/readyz") == http.StatusOK })
	return service{"http://" + public, admin}
}

// run starts a program and kills it at the end of the test.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	log := &strings.Builder{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v:\n%s", cmd.Args, log)
		}
	})
}

func status(address string) int {
	response, err := http.Get(address)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// server is a running Prometheus.
type server struct{ address string }

func startPrometheus(t *testing.T, jobs map[string]string) server {
	t.Helper()
	alerts, err := filepath.Abs(alertsPath)
	if err != nil {
		t.Fatal(err)
	}
	config := "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [" + alerts + "]\nscrape_configs:\n"
	for job, address := range jobs {
		config += fmt.Sprintf("  - { job_name: %s, static_configs: [{ targets: ['%s'] }] }\n", job, address)
	}
	path := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := server{codestest.FreeAddr(t)}
	run(t, exec.Command("prometheus", "--config.file="+path, "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+p.address, "--log.level=warn"))
	codestest.Await(t, 30*time.Second, "Prometheus is ready", func() bool { return status("http://"+p.address+"/-/ready") == http.StatusOK })
	p.await(t, 30*time.Second, "every job is scraped", fmt.Sprintf("count(up == 1) == %d", len(jobs)))
	return p
}

// query returns the current series of an expression.
func (p server) query(t *testing.T, expression string) []json.RawMessage {
	t.Helper()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := getJSON("http://"+p.address+"/api/v1/query?query="+url.QueryEscape(expression), &answer); err != nil || answer.Error != "" {
		t.Fatalf("%s: %v %s", expression, err, answer.Error)
	}
	return answer.Data.Result
}

// getJSON reads the JSON at an address.
func getJSON(address string, into any) error {
	response, err := http.Get(address)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return json.NewDecoder(response.Body).Decode(into)
}

// await waits until an expression has a series.
func (p server) await(t *testing.T, within time.Duration, what, expression string) {
	t.Helper()
	codestest.Await(t, within, what+": "+expression, func() bool { return len(p.query(t, expression)) > 0 })
}

// client returns a client with a key.
func (s service) client(key string) *client.Client {
	c, err := client.New(s.url, client.WithAPIKey(key))
	if err != nil {
		panic(err) // of an address and keys that are right
	}
	return c
}

// statusOf returns the status of the answer that a call of the client got.
func statusOf(err error) int {
	var refused *client.Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	if err != nil {
		return 0
	}
	return http.StatusOK
}

func (s service) create(key, id, number string) int {
	_, err := s.client(key).CreateAuth(context.Background(), id, number)
	return statusOf(err)
}

// check enters the code that the number got, with more appended.
func (s service) check(key, id, number, more string) int {
	code := ""
	var sent struct{ Messages []struct{ Text string } }
	if err := getJSON(s.url+"/debug/messages?to="+number, &sent); err == nil && len(sent.Messages) > 0 {
		code, _, _ = strings.Cut(sent.Messages[len(sent.Messages)-1].Text, "\n")
	}
	return statusOf(s.client(key).AuthenticateCode(context.Background(), id, code+more))
}

// pump requests codes for one number after another, and enters none.
func (s service) pump(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		s.create("", fmt.Sprint("pump-", n), fmt.Sprintf("1876%07d", 5550000+n))
	}
}

// people request four codes per second. Most enter them after a moment; one in ten
// mistypes first, one in five enters nothing.
func (s service) people(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		wg.Go(func() {
			// Each has another exchange, so none reaches UNVERIFIED_LIMITS.
			id, key, number := fmt.Sprint("person-", n), "shop-key", fmt.Sprintf("1206%07d", 2000000+10_000*(n%800))
			if n%4 == 0 {
				key, number = "bank-key", fmt.Sprintf("1416%07d", 2000000+10_000*(n%800))
			}
			s.create(key, id, number)
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(500+n%10*150) * time.Millisecond):
			}
			if n%10 == 0 {
				s.check(key, id, number, "1")
			}
			if n%5 != 1 {
				s.check(key, id, number, "")
			}
		})
	}
}

// mishaps sends the requests that fail now and then.
func (s service) mishaps(t *testing.T) {
	t.Helper()
	for i, want := range []int{200, 200, 200, 200, 200, 429} { // replaced, until the limit is reached
		if got := s.create("shop-key", "again", "12065559999"); got != want {
			t.Errorf("create %d: %d, want %d", i, got, want)
		}
	}
	for name, got := range map[string][2]int{
		"refused":      {s.create("shop-key", "refused", "15005550422"), 500},
		"unconfirmed":  {s.create("shop-key", "unconfirmed", "15005550500"), 500},
		"wrong":        {s.check("shop-key", "again", "12065559999", "1"), 400},
		"unknown":      {s.check("shop-key", "nobody", "12065559999", ""), 400},
		"cancelled":    {statusOf(s.client("shop-key").CancelAuth(t.Context(), "again")), 200},
		"unauthorized": {s.create("no-key", "x", "12065559999"), 401},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: status %d, want %d", name, got[0], got[1])
		}
	}
}
