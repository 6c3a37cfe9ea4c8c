// Package app builds the service from its settings, and runs it.
package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/config"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/redisstore"
)

// App is a running service. It is also the api.State of its API.
type App struct {
	cfg     *config.Config
	log     *Logs
	traces  *telemetry.Traces // nil without tracing
	build   telemetry.Build
	service *codes.Service
	store   *redisstore.Store
	sender  *flowroute.Client
	inspect inspector
	debug   *debugBackends // nil outside debug mode

	public   *limitedListener
	admin    *limitedListener // nil if it is off
	servers  []*http.Server
	inFlight atomic.Int64 // requests
	failed   chan error   // of a server that stopped by itself

	prepared, draining atomic.Bool
}

// New builds the service and opens its listeners. Redis need not be up yet. In
// debug mode the SMS are written to phone.
func New(cfg *config.Config, log *Logs, traces *telemetry.Traces, build telemetry.Build, phone io.Writer) (*App, error) {
	a := &App{cfg: cfg, log: log, traces: traces, build: build, failed: make(chan error, 2)}
	if err := a.wire(telemetry.NewRegistry(build), phone); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// Addr returns the address of the public API.
func (a *App) Addr() string { return a.public.Addr().String() }

// AdminAddr returns the address of the metrics, or "off".
func (a *App) AdminAddr() string {
	if a.admin == nil {
		return "off"
	}
	return a.admin.Addr().String()
}

// Ready reports whether Redis was reached once and no shutdown has begun.
func (a *App) Ready() bool { return a.prepared.Load() && !a.Draining() }

// Draining reports whether a shutdown has begun.
func (a *App) Draining() bool { return a.draining.Load() }

// Run serves until ctx ends, then shuts down.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	background, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		a.prepare(background)
		if a.debug == nil { // the Redis of debug mode ends with the process anyway
			a.inspect.run(background)
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
	prepareEvery        = 250 * time.Millisecond
	prepareWarningEvery = 10 * time.Second
)

// prepare tries Redis until it answers, then makes the service ready.
func (a *App) prepare(ctx context.Context) {
	lastWarning := time.Time{}
	for {
		err := a.store.Prepare(ctx)
		if err == nil {
			a.prepared.Store(true)
			a.log.Info("ready")
			return
		}
		if time.Since(lastWarning) > prepareWarningEvery && ctx.Err() == nil {
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

// shutdown makes the service unready, keeps serving until load balancers have
// noticed, then finishes the requests in flight and pending cleanup.
func (a *App) shutdown() error {
	a.draining.Store(true)
	a.log.Info("shutting down", "delay", a.cfg.ShutdownDelay)
	time.Sleep(a.cfg.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.ShutdownTimeout)
	defer cancel()
	var unfinished error
	for _, server := range a.servers {
		// Shutdown polls, and waits for new connections without a request too. So
		// its timeout alone does not mean that a request is unfinished.
		if err := server.Shutdown(ctx); err != nil && a.inFlight.Load() > 0 {
			unfinished = errors.New("shutdown: some requests were not finished within SHUTDOWN_TIMEOUT")
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

// close closes what wire has opened so far.
func (a *App) close() {
	for _, listener := range []*limitedListener{a.public, a.admin} {
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
