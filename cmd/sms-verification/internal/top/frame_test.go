package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flowroute/sms-verification/codes/codestest"
)

var update = flag.Bool("update", false, "rewrite the frames in testdata")

func load(t *testing.T, name string) reading {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return read(t, string(text))
}

var noon = time.Unix(1763800000, 0).UTC().Add(3*time.Hour + 12*time.Minute)

// watched is a replica that was asked twice, ten seconds apart.
func watched(t *testing.T, name string) *replica {
	return &replica{name: name, scrapes: []scrape{{noon.Add(-10 * time.Second), load(t, "before.txt")}, {noon, load(t, "after.txt")}}}
}

// TestFrame compares whole frames with those in testdata, which a person has reviewed.
func TestFrame(t *testing.T) {
	for _, width := range []int{60, 80, 120} {
		replicas := []*replica{
			watched(t, "10.0.0.1:9464"), watched(t, "10.0.0.2:9464"),
			{name: "10.0.0.3:9464", failed: os.ErrDeadlineExceeded},
		}
		lines := draw(replicas, noon, width)
		for _, line := range lines {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("%d characters in a width of %d: %s", utf8.RuneCountInString(line), width, line)
			}
		}
		codestest.Generated(t, fmt.Sprintf("testdata/frame-%d.txt", width), strings.Join(lines, "\n")+"\n", *update)
	}
}

// TestFailedRequests: a message that may not have been sent counts as failed, whatever the
// status of the answer.
func TestFailedRequests(t *testing.T) {
	rates := read(t, `
# TYPE smsv_http_requests_total counter
smsv_http_requests_total{reason="",route="POST /a",status="201"} 6
smsv_http_requests_total{reason="MessageUnconfirmed",route="POST /a",status="201"} 3
smsv_http_requests_total{reason="ServiceUnavailable",route="POST /a",status="503"} 1
smsv_http_requests_total{reason="InternalError",route="POST /b",status="500"} 5
`)
	if got, want := (&frame{rates: rates}).failedRequests("POST /a"), share(4, 10); got != want {
		t.Errorf("failed %s, want %s", got, want)
	}
}
