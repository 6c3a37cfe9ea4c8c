package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

// TestLogReaderIsGone: the service goes on when the reader of its log ends.
func TestLogReaderIsGone(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	public := codestest.FreeAddr(t)
	p := prepare(t.TempDir(), debugEnvironment("LOG_LEVEL=debug", "SEND_LIMITS=off", "LISTEN_ADDR="+public))
	p.cmd.Stderr = writer
	p.start(t)
	_, _ = reader.Close(), writer.Close()
	url := "http://" + public
	codestest.Await(t, 10*time.Second, "the service is ready", func() bool { return isReady(url) })
	for i := range 20 {
		create(t, url, fmt.Sprint(i), anyone).want(t, 200, "")
	}
	p.stop(t, 0)
}

// TestLogFlood: three seconds of refusals at LOG_RATE=50 write under 500 lines,
// with the line of every create that sent a message among them.
func TestLogFlood(t *testing.T) {
	t.Parallel()
	const creates = 60
	p, _ := service(t, keysOf("shop"), "LOG_RATE=50")
	var refused atomic.Int64
	var flood sync.WaitGroup
	end := time.Now().Add(3 * time.Second)
	for i := range 6 {
		flood.Go(func() {
			for time.Now().Before(end) {
				a := verify(t, p.URL, "a", "1", []string{as("wrong"), "Accept: */*"}[i%2])
				if a.status != http.StatusUnauthorized && a.status != http.StatusTooManyRequests {
					t.Errorf("answer %d %s", a.status, a.raw)
					return
				}
				refused.Add(1)
			}
		})
	}
	for i := range creates {
		create(t, p.URL, strconv.Itoa(i), fmt.Sprintf("1206555%04d", i), as("shop")).want(t, 200, "")
	}
	flood.Wait()
	sent := regexp.MustCompile(`"msg":"request".*"route":"POST /","status":200`)
	codestest.Await(t, 5*time.Second, "the lines of the creates", func() bool { return len(sent.FindAllString(p.stderr.String(), -1)) == creates })
	if all := strings.Count(p.stderr.String(), "\n"); all >= 500 || refused.Load() < 1000 {
		t.Errorf("%d lines; %d requests refused", all, refused.Load())
	}
}
