package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/api"
	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
)

// Limits on how long a client may keep a connection busy.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 10 * time.Second // for reading the answer
	longestProfile = time.Minute      // of pprof
	maxHeader      = 32 << 10
)

// startServers opens the listeners, then serves both. No request is served unless
// both could be opened.
func (a *App) startServers(server *api.Server, registry *prometheus.Registry, webhook api.Webhook) (err error) {
	public := server.Handler()
	if a.debug != nil {
		if public, err = a.debug.tryIt(public, a.cfg); err != nil {
			return err
		}
	}
	limit, adminLimit := a.connectionLimits()
	if a.public, err = a.listen(a.cfg.ListenAddr, limit); err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	telemetry.RegisterConnections(registry, "public", limit, a.public.counts)
	if a.debug != nil {
		a.debug.sendReceiptsTo(a.public.Addr(), webhook.Token)
	}
	if a.cfg.AdminAddr != "" {
		if a.admin, err = a.listen(a.cfg.AdminAddr, adminLimit); err != nil {
			return fmt.Errorf("ADMIN_ADDR: %w", err)
		}
		telemetry.RegisterConnections(registry, "admin", adminLimit, a.admin.counts)
		a.public.others, a.admin.others = []*limitedListener{a.admin}, []*limitedListener{a.public}
	}
	a.serve(a.public, public, a.cfg.FlowrouteTimeout+a.cfg.FlowrouteMaxWait)
	if a.admin != nil {
		a.serve(a.admin, server.Admin(a.adminHandlers(registry)), longestProfile)
	}
	return nil
}

// connectionLimits returns MAX_CONNECTIONS for the public and the admin listener,
// lowered with a warning to what the file descriptors allow.
func (a *App) connectionLimits() (public, admin int) {
	descriptors := fileDescriptors()
	public, admin = connectionLimits(a.cfg.MaxConnections, descriptors)
	if a.cfg.AdminAddr == "" {
		public, admin = min(a.cfg.MaxConnections, public+admin), 0
	}
	if public < a.cfg.MaxConnections || a.cfg.AdminAddr != "" && admin < a.cfg.MaxConnections {
		a.log.Warn("MAX_CONNECTIONS lowered to what the file descriptors allow; raise their limit (ulimit -n, LimitNOFILE) or lower the setting",
			"file_descriptors", descriptors, "wanted", a.cfg.MaxConnections, "public", public, "admin", admin)
	}
	return public, admin
}

// connectionLimits returns how many of maximum connections the public and the admin
// listener may each have. Some file descriptors are reserved for Redis, Flowroute
// and files, at most half of them. If there are too few, the admin listener gets a
// quarter, so that it answers whatever happens on the other.
func connectionLimits(maximum, descriptors int) (public, admin int) {
	room := descriptors - min(256+20*runtime.GOMAXPROCS(0), descriptors/2)
	if 2*maximum <= room {
		return maximum, maximum
	}
	admin = max(1, min(maximum, room/4))
	return max(1, min(maximum, room-admin)), admin
}

// listen opens a listener for at most limit connections.
func (a *App) listen(addr string, limit int) (*limitedListener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return newLimitedListener(listener.(*net.TCPListener), limit, a.log.Logger), nil
}

// serve serves h on a listener; longest is the longest time that h takes.
func (a *App) serve(listener *limitedListener, h http.Handler, longest time.Duration) {
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.inFlight.Add(1)
			defer a.inFlight.Add(-1)
			watch(r)
			h.ServeHTTP(w, r)
		}),
		ConnContext:       listener.context,
		ConnState:         listener.state,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout + longest + answerTimeout,
		IdleTimeout:       a.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		// OPTIONS * gets the headers that every answer has.
		DisableGeneralOptionsHandler: true,
	}
	a.servers = append(a.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- err
		}
	}()
}
