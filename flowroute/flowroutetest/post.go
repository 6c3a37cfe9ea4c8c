package flowroutetest

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	defaultReceiptDelay = 100 * time.Millisecond
	defaultReceiptRetry = 30 * time.Second

	maxReposts  = 4
	maxPending  = 10_000          // posts that are under way or wait; more are lost
	maxParallel = 32              // connections to one host
	postTimeout = 5 * time.Second // of one try
)

// post is one call back.
type post struct {
	url      string
	body     []byte
	answered func() // runs when it was answered with 200
}

// poster makes the calls back.
type poster struct {
	client  *http.Client
	running context.Context // until Close
	stop    context.CancelFunc
	pending sync.WaitGroup
	places  chan struct{}
}

func newPoster() *poster {
	running, stop := context.WithCancel(context.Background())
	return &poster{
		running: running, stop: stop, places: make(chan struct{}, maxPending),
		client: &http.Client{
			Transport:     &http.Transport{MaxConnsPerHost: maxParallel, MaxIdleConnsPerHost: maxParallel},
			Timeout:       postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Pending returns how many calls back are under way or will be made again.
func (s *Simulator) Pending() int { return len(s.poster.places) }

// later makes a call back after a while, and again and again if it is not
// answered with 200.
func (s *Simulator) later(after time.Duration, p post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poster.running.Err() != nil {
		return
	}
	select {
	case s.poster.places <- struct{}{}:
	default:
		s.counts.Lost++
		return
	}
	s.poster.pending.Go(func() {
		defer func() { <-s.poster.places }()
		for try := 0; try <= maxReposts; try++ {
			if !s.pause(after) || s.tryPost(p) {
				return
			}
			after = s.options.ReceiptRetry
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts.Lost++
	})
}

// pause reports whether the simulator was not closed meanwhile.
func (s *Simulator) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.poster.running.Done():
		return false
	}
}

// tryPost makes a call back once, and reports whether it need not be made again.
func (s *Simulator) tryPost(p post) bool {
	if !s.mayCall(p.url) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts.Lost++
		return true
	}
	request, err := http.NewRequestWithContext(s.poster.running, http.MethodPost, p.url, bytes.NewReader(p.body))
	if err != nil {
		return true // not a URL: checked before
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := s.poster.client.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	if err == nil && response.StatusCode == http.StatusOK {
		p.answered()
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Unanswered++
	return false
}

// mayCall: whoever can send messages names the URL, and must not thereby reach
// what the simulator's machine can reach.
func (s *Simulator) mayCall(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.Unmap().IsLoopback() || strings.EqualFold(u.Hostname(), "localhost") ||
		slices.Contains(s.options.CallbackHosts, u.Hostname())
}

// Close ends the calls back and waits for them.
func (s *Simulator) Close() {
	s.mu.Lock()
	s.poster.stop() // from now on none begins
	s.mu.Unlock()
	s.poster.pending.Wait()
	s.poster.client.CloseIdleConnections()
}
