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

// Proxy is a TCP proxy between clients and one Redis. It can lose replies, delay
// requests, and cut or refuse connections. It supports commands with one reply each,
// not MONITOR or subscriptions.
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

// Addr returns the host:port of the proxy. It never changes.
func (p *Proxy) Addr() string { return p.addr }

// DropReplies makes the next n commands that contain match (in any case; every command
// contains "") lose their reply: Redis runs the command, and when it has answered, the
// proxy closes the client's connection. Later commands of the same pipeline do not
// reach Redis. A new call replaces the previous one.
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

// Delay delays every request by d. Commands that arrive together are delayed once.
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
		r := &relay{proxy: p, client: client, redis: upstream, closed: make(chan struct{})}
		p.mu.Lock()
		p.relays[r] = struct{}{}
		p.mu.Unlock()
		p.relaying.Go(r.requests)
		p.relaying.Go(r.replies)
	}
}

// arrived returns whether to lose the reply of a command, and how long to delay it.
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
	pending []bool // for each command without a reply yet, in order: lose its reply
}

func (r *relay) close() {
	r.once.Do(func() {
		close(r.closed)
		_ = r.client.Close()
		_ = r.redis.Close()
	})
}

// requests passes on commands, up to the first one whose reply is to be lost.
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
			return // replies closes the connection
		}
	}
}

// replies passes on replies, up to the first one that is to be lost.
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

// due removes the next pending reply and reports whether it is to be lost.
func (r *relay) due() (drop bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) > 0 {
		drop, r.pending = r.pending[0], r.pending[1:]
	}
	return drop
}
