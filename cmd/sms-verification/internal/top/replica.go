package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	scrapeTimeout = 2 * time.Second
	maxScrape     = 16 << 20
	// window is what rates are over: long enough for a quiet service to show
	// some, short enough to follow what happens.
	window = time.Minute
)

// replica is one process and what it said within the window.
type replica struct {
	address string // the metrics
	name    string // for people
	scrapes []scrape
	failed  error // why it does not answer
}

type scrape struct {
	at time.Time
	reading
}

// newReplica takes host:port, or the URL of a server or of its metrics.
func newReplica(address string) (*replica, error) {
	full := address
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("an address is not one of a server: write it as host:port or http://host:port")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/metrics"
	}
	return &replica{address: u.String(), name: printable(u.Host)}, nil
}

// scrape asks the replica once more.
func (r *replica) scrape(ctx context.Context, client *http.Client) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	found, err := r.fetch(ctx, client)
	if r.failed = err; err != nil {
		r.scrapes = nil
		return
	}
	now := time.Now()
	r.scrapes = append(r.scrapes, scrape{now, found})
	for len(r.scrapes) > 2 && now.Sub(r.scrapes[0].at) > window {
		r.scrapes = r.scrapes[1:]
	}
}

func (r *replica) fetch(ctx context.Context, client *http.Client) (reading, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, inShort(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %d; name its ADMIN_ADDR", response.StatusCode)
	}
	found, err := parse(io.LimitReader(response.Body, maxScrape))
	if err == nil && !found.isOurs() {
		return nil, errors.New("is not sms-verification; name its ADMIN_ADDR")
	}
	return found, err
}

// inShort keeps of an error what fits a line: not the address again.
func inShort(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", scrapeTimeout)
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

// last is the newest reading.
func (r *replica) last() reading { return r.scrapes[len(r.scrapes)-1].reading }

// rates is how fast the counters grow, over how many seconds. They are empty
// after the first scrape.
func (r *replica) rates() (reading, float64) {
	first, last := r.scrapes[0], r.scrapes[len(r.scrapes)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return reading{}, 0
	}
	return last.rate(first.reading, seconds), seconds
}
