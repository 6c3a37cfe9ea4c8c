package redistest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a TCP proxy between clients and one Redis. It can lose replies, delay
// requests, and cut or refuse connections. It supports clients that send the next
// command on a connection only after the reply, or a pipeline after all replies.
type Proxy struct {
	t            testing.TB
	addr, target string

	gate     sync.Mutex
	listener net.Listener // nil while refusing; under gate

	mu      sync.Mutex // for what follows
	relays  map[*relay]struct{}
	drops   int
	match   string
	dropped int
	delay   time.Duration

	accepting sync.WaitGroup
	relaying  sync.WaitGroup
}

// NewProxy starts a proxy to target (host:port). It stops with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{
		t:      t,
		addr:   net.JoinHostPort("127.0.0.1", FreePort(t)),
		target: target,
		relays: map[*relay]struct{}{},
	}
	p.Refuse(false)
	t.Cleanup(func() {
		p.Refuse(true)
		p.CutAll()
		p.relaying.Wait()
	})
	return p
}

// Addr returns the host:port of the proxy. It never changes.
func (p *Proxy) Addr() string { return p.addr }

// DropReplies makes the next n requests that contain match (in any case; every request
// contains "") lose their reply: Redis runs the command, and when it answers, the proxy
// closes the connection. A pipeline is one request. A new call replaces the previous
// one.
func (p *Proxy) DropReplies(n int, match string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops, p.match = n, strings.ToLower(match)
}

// Dropped returns the number of replies lost so far.
func (p *Proxy) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// Delay delays every request by d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// CutAll closes all connections.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.relays {
		r.close()
	}
}

// Refuse makes the proxy refuse new connections, or accept them again. It does not
// affect existing ones.
func (p *Proxy) Refuse(refuse bool) {
	p.gate.Lock()
	defer p.gate.Unlock()
	switch {
	case refuse && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
		p.accepting.Wait()
	case !refuse && p.listener == nil:
		l, err := net.Listen("tcp", p.addr)
		for range 100 { // a connection of another process may use the port for a moment
			if err == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
			l, err = net.Listen("tcp", p.addr)
		}
		if err != nil {
			p.t.Errorf("redistest: proxy: %v", err)
			return
		}
		p.listener = l
		p.accepting.Go(func() { p.accept(l) })
	}
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return // closed
		}
		upstream, err := net.DialTimeout("tcp", p.target, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		r := &relay{client: client, redis: upstream}
		p.mu.Lock()
		p.relays[r] = struct{}{}
		p.mu.Unlock()
		p.relaying.Go(func() { p.requests(r) })
		p.relaying.Go(func() { p.replies(r) })
	}
}

// relay is one client's connection through the proxy.
type relay struct {
	client, redis net.Conn
	drop          atomic.Bool // the next reply is to be lost
	waits         atomic.Bool // for a reply: what comes now belongs to the same request
}

func (r *relay) close() {
	_ = r.client.Close()
	_ = r.redis.Close()
}

// requests passes on what the client sends.
func (p *Proxy) requests(r *relay) {
	defer r.close()
	buf := make([]byte, 1<<20)
	for {
		n, err := r.client.Read(buf)
		if err != nil {
			return
		}
		drop, delay := p.arrived(buf[:n])
		if !r.waits.Swap(true) {
			time.Sleep(delay)
		}
		if drop {
			r.drop.Store(true)
		}
		if _, err := r.redis.Write(buf[:n]); err != nil {
			return
		}
	}
}

// arrived returns whether to lose the reply to a request, and how long to delay it.
func (p *Proxy) arrived(request []byte) (drop bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drops > 0 && bytes.Contains(bytes.ToLower(request), []byte(p.match)) {
		p.drops--
		drop = true
	}
	return drop, p.delay
}

// replies passes on what Redis answers, up to the first reply that is to be lost.
func (p *Proxy) replies(r *relay) {
	defer func() {
		r.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.relays, r)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.redis.Read(buf)
		if err != nil {
			return
		}
		if r.drop.Load() {
			p.mu.Lock()
			p.dropped++
			p.mu.Unlock()
			return
		}
		r.waits.Store(false)
		if _, err := r.client.Write(buf[:n]); err != nil {
			return
		}
	}
}
