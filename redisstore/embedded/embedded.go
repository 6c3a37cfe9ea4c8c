// Package embedded is the in-process Redis of debug mode, so that one command runs
// the whole service with nothing installed. It keeps everything in memory and is
// not for production.
package embedded

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// Server is a Redis in this process, on a free loopback port. As in a real Redis,
// keys expire with the clock and the time stands still while a script runs.
type Server struct {
	mini *miniredis.Miniredis
	url  string

	conns sync.Map // connections of clients: *server.Peer to struct{}

	clock  sync.Mutex // held while the time is set, so that it never steps back
	offset time.Duration
}

// Start starts an empty Server. Its password is random, because every user of the
// machine can reach its port. Close stops it.
func Start() (*Server, error) {
	s := &Server{mini: miniredis.NewMiniRedis()}
	password := rand.Text()
	s.mini.RequireAuth(password)
	s.mini.ClockTTL(true)
	if err := s.mini.Start(); err != nil {
		return nil, fmt.Errorf("embedded: start: %w", err)
	}
	s.mini.Server().SetPreHook(s.setTime)
	u := url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: s.mini.Addr(), Path: "/0"}
	s.url = u.String()
	return s, nil
}

// URL returns the server's address in the form of REDIS_URL. It holds the password.
func (s *Server) URL() string { return s.url }

// Close stops the server, closes its connections and drops its data.
func (s *Server) Close() { s.mini.Close() }

// Advance moves the clock forward by d, for TIME and for the TTL of keys; it keeps
// running from there. It is for tests. The clock must stay before the year 2262,
// where TIME wraps.
func (s *Server) Advance(d time.Duration) {
	s.clock.Lock()
	defer s.clock.Unlock()
	s.offset += d
}

// setTime runs before every command and sets the time that the command sees. It must
// not set it for commands inside a script, which holds the lock of miniredis: that
// would deadlock. Those come from a peer that has a context from the start, while a
// client's peer has none before its first command.
func (s *Server) setTime(p *server.Peer, _ string, _ ...string) bool {
	if p.Ctx == nil {
		if _, known := s.conns.LoadOrStore(p, struct{}{}); !known {
			p.OnDisconnect(func() { s.conns.Delete(p) })
		}
	}
	if _, client := s.conns.Load(p); client {
		s.clock.Lock()
		defer s.clock.Unlock()
		s.mini.SetTime(time.Now().Add(s.offset))
	}
	return false
}
