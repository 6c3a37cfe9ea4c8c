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
	maxReposts  = 4
	maxPending  = 10_000          // receipts in flight or waiting; more are lost
	maxParallel = 32              // connections to one host
	postTimeout = 5 * time.Second // of one attempt
)

// post is one request to a callback URL.
type post struct {
	url      string
	body     []byte
	answered func() // called when it was answered with 200
}

// poster sends posts.
type poster struct {
	client  *http.Client
	running context.Context // until Close
	stop    context.CancelFunc
	pending sync.WaitGroup
	slots   chan struct{}
}

func newPoster() *poster {
	running, stop := context.WithCancel(context.Background())
	return &poster{
		running: running, stop: stop, slots: make(chan struct{}, maxPending),
		client: &http.Client{
			Transport:     &http.Transport{MaxConnsPerHost: maxParallel, MaxIdleConnsPerHost: maxParallel},
			Timeout:       postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Pending returns how many posts are in flight or waiting.
func (s *Simulator) Pending() int { return len(s.poster.slots) }

// later sends a post after a delay, and again if it is not answered with 200.
func (s *Simulator) later(after time.Duration, p post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poster.running.Err() != nil {
		return
	}
	select {
	case s.poster.slots <- struct{}{}:
	default:
		s.counts.Lost++
		return
	}
	s.poster.pending.Go(func() {
		defer func() { <-s.poster.slots }()
		for range 1 + maxReposts {
			if !wait(s.poster.running, after) || s.tryPost(p) {
				return
			}
			after = s.options.ReceiptRetry
		}
		s.count(&s.counts.Lost)
	})
}

// wait reports false if ctx ended meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tryPost sends a post once and reports whether it is done.
func (s *Simulator) tryPost(p post) bool {
	if !s.mayCall(p.url) {
		s.count(&s.counts.Lost)
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
	s.count(&s.counts.Unanswered)
	return false
}

// mayCall reports whether a host is allowed. A client names the URL in a
// message, and must not reach other hosts of the simulator's network that way.
func (s *Simulator) mayCall(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.Unmap().IsLoopback() || strings.EqualFold(u.Hostname(), "localhost") ||
		slices.Contains(s.options.CallbackHosts, u.Hostname())
}

// Close drops the posts that wait, aborts those in flight, and waits for them.
func (s *Simulator) Close() {
	s.mu.Lock()
	s.poster.stop() // later starts none from now on
	s.mu.Unlock()
	s.poster.pending.Wait()
	s.poster.client.CloseIdleConnections()
}
