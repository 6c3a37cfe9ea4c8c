// Package app is the wired service: everything between the settings and the
// sockets.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/flowroute/sms-verification/api"
	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/redisstore"
)

// App is a running service.
type App struct {
	cfg     *config.Config
	log     *Logs
	traces  *telemetry.Traces // nil if nobody wants them
	build   telemetry.Build
	state   state
	service *codes.Service
	store   *redisstore.Store
	sender  *flowroute.Client
	inspect inspector
	debug   *debugBackends // nil outside debug mode
	servers []*http.Server
	working atomic.Int64 // requests in flight
	public  *connections
	admin   *connections // nil if it is off
	failed  chan error   // of a server that stopped by itself
}

// New wires the service and opens its listeners. Redis need not be there yet.
// In debug mode SMS appear on phone.
func New(cfg *config.Config, log *Logs, traces *telemetry.Traces, build telemetry.Build, phone io.Writer) (*App, error) {
	a := &App{cfg: cfg, log: log, traces: traces, build: build, failed: make(chan error, 2)}
	if err := a.wire(telemetry.NewRegistry(build), phone); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// userAgent returns what requests to Flowroute say they come from. The
// parentheses of "(devel)" would begin a comment in the header, so they go.
func userAgent(b telemetry.Build) string {
	return "sms-verification/" + strings.Trim(b.Version, "()")
}

// backends opens what the service stands on: Redis and Flowroute, or what
// plays them in debug mode.
func (a *App) backends(phone io.Writer, operations *telemetry.Operations) (err error) {
	cfg := a.cfg
	redis := DialOptions(cfg)
	account := flowroute.Options{
		BaseURL:   cfg.FlowrouteBaseURL,
		AccessKey: cfg.FlowrouteAccessKey.Reveal(),
		SecretKey: cfg.FlowrouteSecretKey.Reveal(),
		From:      cfg.FlowrouteNumber,
	}
	if cfg.DebugMode {
		if a.debug, err = startDebugBackends(phone, cfg.Profiles); err != nil {
			return err
		}
		redis, account = redisstore.DialOptions{URL: a.debug.redis.URL(), Mode: redisstore.Standalone}, a.debug.account
	}
	account.Timeout = cfg.FlowrouteTimeout
	account.Callback, account.UserAgent = cfg.CallbackURL(), userAgent(a.build)

	redisstore.LogTo(a.log.Logger)
	if a.store, err = OpenStore(cfg, redis, operations.Done); err != nil {
		return err
	}
	a.inspect.redis, a.inspect.log, a.inspect.every = a.store, a.log.Logger, inspectEvery
	a.sender = flowroute.New(account)
	return nil
}

func (a *App) wire(registry *prometheus.Registry, phone io.Writer) error {
	if err := a.backends(phone, telemetry.NewOperations(registry, a.traces)); err != nil {
		return err
	}
	cfg := a.cfg
	numbers, err := numbersOf(cfg)
	if err != nil {
		return err
	}
	keys, policy, webhook := keysOf(cfg), PolicyOf(cfg), webhookOf(cfg)
	secret, previous := hashersOf(cfg)
	policies := append([]codes.Policy{policy}, ProfilesOf(cfg)...)
	a.register(registry, policies)
	o := codes.Options{
		Policy:        policy,
		Profiles:      policies[1:],
		Numbers:       numbers,
		Secret:        secret,
		Previous:      previous,
		Store:         a.store,
		Sender:        telemetry.NewSender(a.sender, registry, a.traces),
		SendTimeout:   cfg.FlowrouteTimeout,
		TrackReceipts: webhook.Token != "",
		SharedIDs:     cfg.CallerIDs == "shared",
		Observer:      telemetry.NewObserver(callersOf(keys), policies, a.log.Logger, registry),
	}
	a.service = codes.NewService(o)
	options := api.Options{
		Service:        a.service,
		Receiver:       a.service,
		Webhook:        webhook,
		State:          &a.state,
		Keys:           keys,
		Profiles:       profileNames(cfg),
		Failures:       a.store,
		Hasher:         secret,
		TrustedProxies: cfg.TrustedProxies,
		Logger:         a.log.Logger,
		Registerer:     registry,
		MaxInFlight:    cfg.MaxInFlight,
		LogRate:        cfg.LogRate,
		TwilioServices: twilioServices(cfg),
	}
	if a.traces != nil {
		options.Trace = a.traces.Request
	}
	if a.debug != nil {
		options.Service = newActing(a.service, o)
	}
	return a.open(api.New(options), registry, webhook)
}

// open opens the listeners.
func (a *App) open(server *api.Server, registry *prometheus.Registry, webhook api.Webhook) (err error) {
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
		a.debug.callBack(a.public.Addr(), webhook.Token)
	}
	if a.cfg.AdminAddr != "" {
		if a.admin, err = a.listen(a.cfg.AdminAddr, adminLimit); err != nil {
			return fmt.Errorf("ADMIN_ADDR: %w", err)
		}
		telemetry.RegisterConnections(registry, "admin", adminLimit, a.admin.counts)
		a.public.others, a.admin.others = []*connections{a.admin}, []*connections{a.public}
	}
	a.serve(a.public, public, a.cfg.FlowrouteTimeout+a.cfg.FlowrouteMaxWait)
	if a.admin != nil {
		a.serve(a.admin, server.Admin(a.adminHandlers(registry)), longestProfile)
	}
	return nil
}

// connectionLimits returns MAX_CONNECTIONS of the public and of the admin
// listener, as far as the file descriptors allow.
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

// register registers the metrics of the process and of what it stands on.
func (a *App) register(r *prometheus.Registry, policies []codes.Policy) {
	telemetry.RegisterSettings(r, policies)
	if a.cfg.SegmentPrice > 0 {
		telemetry.RegisterPrice(r, a.cfg.SegmentPrice)
	}
	telemetry.RegisterReady(r, a.state.Ready)
	telemetry.RegisterPool(r, a.store.Pool)
	telemetry.RegisterClock(r, a.store.ClockSteps)
	telemetry.RegisterInspection(r, a.inspect.Unsafe)
	telemetry.RegisterBudget(r, policies[0].Limits.Total, a.store.Used)
	telemetry.RegisterUnverified(r, policies[0].Limits.Unverified, a.store.Unverified)
	telemetry.RegisterLog(r, a.log.lines.lost)
}

func (a *App) adminHandlers(registry *prometheus.Registry) map[string]http.Handler {
	return map[string]http.Handler{
		"/metrics":             promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		"/loglevel":            ownHost(a.cfg.AdminAddr, a.log.serveLevel),
		"/debug/pprof/":        http.HandlerFunc(pprof.Index),
		"/debug/pprof/*":       http.HandlerFunc(pprof.Index),
		"/debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
		"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		"/debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
		"/debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
	}
}

// Bounds on what a client may make a connection wait for.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	answerTimeout  = 10 * time.Second // for reading the answer
	longestProfile = time.Minute      // of pprof
	maxHeader      = 32 << 10
)

// listen opens a listener for so many connections.
func (a *App) listen(addr string, limit int) (*connections, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return newConnections(listener.(*net.TCPListener), limit, a.log.Logger), nil
}

// serve answers the requests of a listener, of which the longest takes so long.
func (a *App) serve(listener *connections, h http.Handler, longest time.Duration) {
	server := &http.Server{
		Handler: listener.handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.working.Add(1)
			defer a.working.Add(-1)
			h.ServeHTTP(w, r)
		})),
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

// Addr returns where the public API listens.
func (a *App) Addr() string { return a.public.Addr().String() }

// AdminAddr returns where metrics are, or "off".
func (a *App) AdminAddr() string {
	if a.admin == nil {
		return "off"
	}
	return a.admin.Addr().String()
}

// Handler returns the public API.
func (a *App) Handler() http.Handler { return a.servers[0].Handler }

// Ready reports whether requests are served.
func (a *App) Ready() bool { return a.state.Ready() }

// Run serves until ctx ends, then shuts down.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	prepare, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		a.prepare(prepare)
		if a.debug == nil { // what its Redis keeps is gone with the process anyway
			a.inspect.run(prepare)
		}
	}()
	select {
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return a.shutdown()
	}
}

const (
	prepareEvery   = 250 * time.Millisecond
	prepareWarning = 10 * time.Second // at most one warning in so long
)

// prepare tries Redis until it answers, then makes the service ready.
func (a *App) prepare(ctx context.Context) {
	lastWarning := time.Time{}
	for {
		err := a.store.Prepare(ctx)
		if err == nil {
			a.state.prepared.Store(true)
			a.log.Info("ready")
			return
		}
		if time.Since(lastWarning) > prepareWarning && ctx.Err() == nil {
			a.log.Warn("not ready: waiting for Redis", "error", err.Error())
			lastWarning = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(prepareEvery):
		}
	}
}

// shutdown stops being ready, serves on until the load balancer has noticed,
// then finishes what is in flight.
func (a *App) shutdown() error {
	a.state.draining.Store(true)
	a.log.Info("shutting down", "delay", a.cfg.ShutdownDelay)
	time.Sleep(a.cfg.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.ShutdownTimeout)
	defer cancel()
	var unfinished error
	for _, server := range a.servers {
		// It looks only now and then whether all is done, and takes a connection
		// on which nothing came yet for a request.
		if err := server.Shutdown(ctx); err != nil && a.working.Load() > 0 {
			unfinished = errors.New("shutdown: not every request was finished within SHUTDOWN_TIMEOUT")
		}
	}
	if err := a.service.Finish(ctx); err != nil {
		unfinished = errors.Join(unfinished, errors.New("shutdown: Redis could not be reached within SHUTDOWN_TIMEOUT; cleanup is not complete"))
	}
	if unfinished == nil {
		a.log.Info("shut down")
	}
	return unfinished
}

func (a *App) close() {
	for _, listener := range []*connections{a.public, a.admin} {
		if listener != nil {
			_ = listener.Close() // also one that is not served yet
		}
	}
	for _, server := range a.servers {
		_ = server.Close()
	}
	if a.sender != nil {
		a.sender.Close()
	}
	if a.store != nil {
		_ = a.store.Close()
	}
	if a.debug != nil {
		a.debug.close()
	}
}
