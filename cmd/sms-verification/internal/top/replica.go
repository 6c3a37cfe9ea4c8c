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
	// window is the time over which rates are measured: long enough for a quiet
	// service to show some, short enough to follow changes.
	window = time.Minute
)

// replica is one process and its scrapes within the window.
type replica struct {
	address string // URL of the metrics
	name    string // as displayed
	scrapes []scrape
	failed  error // error of the last scrape
}

type scrape struct {
	at time.Time
	reading
}

// newReplica accepts host:port, or the URL of a server or of its metrics.
func newReplica(address string) (*replica, error) {
	full := address
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("invalid address: write host:port or http://host:port")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/metrics"
	}
	return &replica{address: u.String(), name: printable(u.Host)}, nil
}

// scrape reads the metrics of the replica.
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
		return nil, shorten(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %d; use its ADMIN_ADDR", response.StatusCode)
	}
	found, err := parse(io.LimitReader(response.Body, maxScrape))
	if err == nil && !found.isOurs() {
		return nil, errors.New("is not sms-verification; use its ADMIN_ADDR")
	}
	return found, err
}

// shorten drops the address from an error, so that it fits a line.
func shorten(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", scrapeTimeout)
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

// last returns the newest reading.
func (r *replica) last() reading { return r.scrapes[len(r.scrapes)-1].reading }

// rates returns the counters' increase per second, and over how many seconds it was
// measured. It is empty after the first scrape.
func (r *replica) rates() (reading, float64) {
	first, last := r.scrapes[0], r.scrapes[len(r.scrapes)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return reading{}, 0
	}
	return last.rate(first.reading, seconds), seconds
}
