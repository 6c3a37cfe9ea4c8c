package flowroutetest

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Server is a simulator that listens.
type Server struct {
	*Simulator
	URL string // such as http://127.0.0.1:49152, without a slash at the end

	http   *http.Server
	served chan struct{} // closed when the server has stopped
}

// NewServer starts a simulator on an address such as 127.0.0.1:4010, or with ""
// on a free port on loopback. The caller must Close it.
func NewServer(addr string, o Options) (*Server, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("flowroutetest: listen: %w", err)
	}
	simulator := New(o)
	s := &Server{
		Simulator: simulator,
		URL:       "http://" + listener.Addr().String(),
		http: &http.Server{
			Handler:           simulator,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          log.New(io.Discard, "", 0), // nothing is logged
		},
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // ends with http.ErrServerClosed
	}()
	return s, nil
}

// Close stops the server at once and aborts requests in flight.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.served
	s.Simulator.Close()
	if err != nil {
		return fmt.Errorf("flowroutetest: close: %w", err)
	}
	return nil
}
