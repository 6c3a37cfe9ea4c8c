package redistest

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy between a client and one Redis that can lose replies,
// be slow, cut connections and refuse them. It understands a client that sends
// commands and reads one reply for each; not MONITOR or subscriptions.
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

// NewProxy starts a proxy to target (host:port). It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatalf("redistest: proxy: %v", err)
	}
	p := &Proxy{
		t:      t,
		addr:   net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
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

// Addr is the host:port at which clients reach the proxy. It stays the same.
func (p *Proxy) Addr() string { return p.addr }

// DropReplies makes the next n commands that contain match (in any case; an
// empty match is in all) lose their reply: Redis runs the command, and once it
// has answered, the connection of the client is closed. Of what a client sent
// behind such a command in the same pipeline, Redis sees nothing. A new call
// replaces the one before.
func (p *Proxy) DropReplies(n int, match string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops, p.match = n, strings.ToLower(match)
}

// Dropped is the number of replies lost so far.
func (p *Proxy) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// Delay makes every request reach Redis later by d; commands that arrive
// together wait once.
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

// Refuse makes new connections be refused, or accepted again. It leaves those
// that exist alone.
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
		r := &relay{proxy: p, client: client, redis: upstream, closed: make(chan struct{})}
		p.mu.Lock()
		p.relays[r] = struct{}{}
		p.mu.Unlock()
		p.relaying.Go(r.requests)
		p.relaying.Go(r.replies)
	}
}

// arrived tells what to do with a command that arrived: lose its reply, wait.
func (p *Proxy) arrived(command []byte) (drop bool, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drops > 0 && bytes.Contains(bytes.ToLower(command), []byte(p.match)) {
		p.drops--
		drop = true
	}
	return drop, p.delay
}

// relay is one client's connection through the proxy.
type relay struct {
	proxy         *Proxy
	client, redis net.Conn
	once          sync.Once
	closed        chan struct{}

	mu      sync.Mutex
	pending []bool // one per command whose reply is due, in order: lose it?
}

func (r *relay) close() {
	r.once.Do(func() {
		close(r.closed)
		_ = r.client.Close()
		_ = r.redis.Close()
	})
}

// requests passes on what the client sends, up to the first command whose
// reply is to be lost.
func (r *relay) requests() {
	in := bufio.NewReader(r.client)
	for {
		together := in.Buffered() > 0
		command, err := readValue(in, nil)
		if err != nil {
			r.close()
			return
		}
		drop, delay := r.proxy.arrived(command)
		if !together && delay > 0 {
			select {
			case <-time.After(delay):
			case <-r.closed:
				return
			}
		}
		r.mu.Lock()
		r.pending = append(r.pending, drop)
		r.mu.Unlock()
		if _, err := r.redis.Write(command); err != nil {
			r.close()
			return
		}
		if drop {
			return // the replies' side closes
		}
	}
}

// replies passes on what Redis answers, up to the reply that is to be lost.
func (r *relay) replies() {
	defer func() {
		r.close()
		r.proxy.mu.Lock()
		delete(r.proxy.relays, r)
		r.proxy.mu.Unlock()
	}()
	in := bufio.NewReader(r.redis)
	for {
		reply, err := readValue(in, nil)
		if err != nil {
			return
		}
		if reply[0] != '>' && r.due() { // a push answers no command
			r.proxy.mu.Lock()
			r.proxy.dropped++
			r.proxy.mu.Unlock()
			return
		}
		if _, err := r.client.Write(reply); err != nil {
			return
		}
	}
}

// due takes the next pending reply and tells whether it is to be lost.
func (r *relay) due() (drop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) > 0 {
		drop, r.pending = r.pending[0], r.pending[1:]
	}
	return drop
}
