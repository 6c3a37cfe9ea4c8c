package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// front is a proxy before replicas, which take turns.
type front struct {
	url     string
	turn    atomic.Int64
	targets atomic.Pointer[[]*url.URL]
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{}
	f.to()
	proxy := &httputil.ReverseProxy{
		ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			targets := *f.targets.Load()
			r.SetURL(targets[f.turn.Add(1)%int64(len(targets))])
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(*f.targets.Load()) == 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *front) to(replicas ...string) {
	targets := make([]*url.URL, len(replicas))
	for i, replica := range replicas {
		targets[i], _ = url.Parse(replica)
	}
	f.targets.Store(&targets)
}
