package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
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

// app is a running service: everything between the settings and the sockets.
type app struct {
	cfg     *config.Config
	log     *logs
	traces  *telemetry.Traces // nil if nobody wants them
	state   state
	service *codes.Once
	store   *redisstore.Store
	sender  *flowroute.Client
	debug   *debugBackends // nil outside debug mode
	servers []*http.Server
	working atomic.Int64 // requests in flight
	public  net.Listener
	admin   net.Listener // nil if it is off
	failed  chan error   // of a server that stopped by itself
}

// newApp wires the service and opens its listeners. Redis need not be there yet.
func newApp(cfg *config.Config, log *logs, traces *telemetry.Traces, phone io.Writer) (*app, error) {
	a := &app{cfg: cfg, log: log, traces: traces, failed: make(chan error, 2)}
	if err := a.wire(phone); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// backends opens what the service stands on: Redis and Flowroute, or what
// plays them in debug mode.
func (a *app) backends(phone io.Writer) (err error) {
	cfg := a.cfg
	redis := dialOptions(cfg)
	account := flowroute.Options{
		BaseURL:   cfg.FlowrouteBaseURL,
		AccessKey: cfg.FlowrouteAccessKey.Reveal(),
		SecretKey: cfg.FlowrouteSecretKey.Reveal(),
		From:      cfg.FlowrouteNumber,
	}
	if cfg.DebugMode {
		if a.debug, err = startDebugBackends(phone); err != nil {
			return err
		}
		redis, account = redisstore.DialOptions{URL: a.debug.redis.URL(), Mode: redisstore.Standalone}, a.debug.account
	}
	account.Timeout = cfg.FlowrouteTimeout
	account.Callback, account.UserAgent = cfg.CallbackURL(), userAgent()

	redisstore.LogTo(a.log.Logger)
	if a.store, err = openStore(cfg, redis); err != nil {
		return err
	}
	a.sender = flowroute.New(account)
	return nil
}

func (a *app) wire(phone io.Writer) error {
	if err := a.backends(phone); err != nil {
		return err
	}
	cfg := a.cfg
	rules, err := rulesOf(cfg)
	if err != nil {
		return err
	}
	hasher, previous := hashersOf(cfg)
	registry := a.registry(rules)
	store, sender := telemetry.NewStore(a.store, registry, a.traces), telemetry.NewSender(a.sender, registry, a.traces)
	webhook := webhookOf(cfg)
	// The longest create: its turn, its send with what comes before it is
	// tried again, and Redis before and after.
	longest := 2*cfg.FlowrouteMaxWait + cfg.FlowrouteTimeout + 3*time.Second
	under := func(r codes.Rules) *codes.Once {
		service := codes.NewService(r, hasher, previous, store, store, sender)
		if webhook.Token != "" {
			service.WithReceipts(store)
		}
		return codes.NewOnce(service, store, longest)
	}
	a.service = under(rules)
	options := api.Options{
		Service:        a.service,
		Tracker:        a.service,
		Webhook:        webhook,
		State:          &a.state,
		Keys:           keysOf(cfg),
		Failures:       store,
		Hasher:         hasher,
		TrustedProxies: cfg.TrustedProxies,
		Logger:         a.log.Logger,
		Registerer:     registry,
		Lifetime:       cfg.CodeExpiration,
		MaxInFlight:    cfg.MaxInFlight,
		LogRate:        cfg.LogRate,
	}
	if a.traces != nil {
		options.Trace = a.traces.Request
	}
	if a.debug != nil {
		options.Service = newActing(a.service, under, rules)
	}
	return a.open(api.New(options), registry, webhook)
}

// open opens the listeners.
func (a *app) open(server *api.Server, registry *prometheus.Registry, webhook api.Webhook) (err error) {
	public := server.Handler()
	if a.debug != nil {
		if public, err = a.debug.tryIt(public, a.cfg); err != nil {
			return err
		}
	}
	if a.public, err = a.listen(a.cfg.ListenAddr, public); err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	if a.debug != nil {
		a.debug.callBack(a.public.Addr(), webhook.Token)
	}
	if a.cfg.AdminAddr == "" {
		return nil
	}
	if a.admin, err = a.listen(a.cfg.AdminAddr, server.Admin(a.adminHandlers(registry))); err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	return nil
}

// registry returns the registry of metrics, with those of the process.
func (a *app) registry(rules codes.Rules) *prometheus.Registry {
	r := telemetry.NewRegistry(build())
	limits := limitsOf(a.cfg)
	telemetry.RegisterSettings(r, rules, limits)
	telemetry.RegisterReady(r, a.state.Ready)
	telemetry.RegisterPool(r, a.store.Pool)
	telemetry.RegisterBudget(r, limits.Total, a.store.Used)
	telemetry.RegisterLog(r, a.log.lines.lost)
	return r
}

// webhookOf takes receipts where the settings ask for them, and in debug mode
// in any case: there the simulator is told of the token.
func webhookOf(cfg *config.Config) api.Webhook {
	token := cfg.WebhookToken.Reveal()
	if token == "" && cfg.DebugMode {
		token = rand.Text()
	}
	return api.Webhook{Token: token, Parse: flowroute.ParseReceipts}
}

func openStore(cfg *config.Config, options redisstore.DialOptions) (*redisstore.Store, error) {
	client, err := redisstore.Dial(options)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	store := redisstore.New(client, cfg.RedisKeyPrefix, limitsOf(cfg))
	store.WaitForReplicas(cfg.RedisWaitReplicas)
	return store, nil
}

func limitsOf(cfg *config.Config) codes.Limits {
	return codes.Limits{
		Sends:   cfg.SendLimits,
		Guesses: cfg.GuessLimits,
		Total:   cfg.SendLimitsTotal,
		Rate:    cfg.FlowrouteRate,
		MaxWait: cfg.FlowrouteMaxWait,
		Returns: cfg.CallbackURL() != "",
	}
}

func rulesOf(cfg *config.Config) (codes.Rules, error) {
	recipients, err := codes.ParseRecipients(cfg.AllowedPrefixes, cfg.BlockedPrefixes)
	if err != nil {
		return codes.Rules{}, fmt.Errorf("ALLOWED_PREFIXES, BLOCKED_PREFIXES: %w", err)
	}
	return codes.Rules{
		CodeLength: cfg.CodeLength,
		Expiration: cfg.CodeExpiration,
		Notice:     cfg.ExpiredNotice,
		Attempts:   cfg.RetriesAllowed,
		Message:    cfg.AuthMessage,
		OrgName:    cfg.OrgName,
		Recipients: recipients,

		TestRecipients: cfg.TestRecipients,
		TestsUntil:     cfg.TestRecipientsUntil,
	}, nil
}

func hashersOf(cfg *config.Config) (current, previous *codes.Hasher) {
	if secret := cfg.PreviousCodeSecret(); secret != nil {
		previous = codes.NewHasher(secret)
	}
	return codes.NewHasher(cfg.CodeSecret()), previous
}

func keysOf(cfg *config.Config) []api.Key {
	keys := make([]api.Key, len(cfg.APIKeys))
	for i, k := range cfg.APIKeys {
		keys[i] = api.Key(k)
	}
	return keys
}

func (a *app) adminHandlers(registry *prometheus.Registry) map[string]http.Handler {
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
	maxHeader      = 32 << 10
)

// listen opens a listener and prepares its server.
func (a *app) listen(addr string, h http.Handler) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.working.Add(1)
			defer a.working.Add(-1)
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		// pprof and the longest create both take their time.
		WriteTimeout:   requestTimeout + a.cfg.FlowrouteTimeout + a.cfg.FlowrouteMaxWait + time.Minute,
		IdleTimeout:    a.cfg.IdleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		// OPTIONS * gets the headers that every answer has.
		DisableGeneralOptionsHandler: true,
	}
	a.servers = append(a.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- err
		}
	}()
	return listener, nil
}

// url is the address of the public API.
func (a *app) url() string { return "http://" + a.public.Addr().String() }

func (a *app) adminAddr() string {
	if a.admin == nil {
		return "off"
	}
	return a.admin.Addr().String()
}

// run serves until ctx ends, then shuts down.
func (a *app) run(ctx context.Context) error {
	defer a.close()
	prepare, stop := context.WithCancel(ctx)
	defer stop()
	go a.prepare(prepare)
	select {
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return a.shutdown()
	}
}

const (
	prepareEvery = 250 * time.Millisecond
	prepareTell  = 10 * time.Second
)

// prepare tries Redis until it answers, then makes the service ready.
func (a *app) prepare(ctx context.Context) {
	lastTold := time.Time{}
	for {
		err := a.store.Prepare(ctx)
		if err == nil {
			a.state.prepared.Store(true)
			a.log.Info("ready")
			return
		}
		if time.Since(lastTold) > prepareTell && ctx.Err() == nil {
			a.log.Warn("not ready: waiting for Redis", "error", err.Error())
			lastTold = time.Now()
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
func (a *app) shutdown() error {
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
		unfinished = errors.Join(unfinished, errors.New("shutdown: within SHUTDOWN_TIMEOUT Redis could not be reached for what was left to undo"))
	}
	if unfinished == nil {
		a.log.Info("shut down")
	}
	return unfinished
}

func (a *app) close() {
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
