package app

import (
	"io"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/api"
	"github.com/flowroute/sms-verification/cmd/sms-verification/internal/telemetry"
	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/flowroute"
	"github.com/flowroute/sms-verification/redisstore"
)

// wire connects the parts of the service: Redis and Flowroute, the service on top
// of them, and the API on top of that.
func (a *App) wire(registry *prometheus.Registry, phone io.Writer) error {
	if err := a.openBackends(phone, telemetry.NewOperations(registry, a.traces)); err != nil {
		return err
	}
	cfg := a.cfg
	numbers, err := numbersOf(cfg)
	if err != nil {
		return err
	}
	keys, webhook, profiles := keysOf(cfg), webhookOf(cfg), ProfilesOf(cfg)
	secret, previous := hashersOf(cfg)
	policies := append([]codes.Policy{PolicyOf(cfg)}, profiles...)
	a.registerMetrics(registry, policies)
	o := codes.Options{
		Policy:        policies[0],
		Profiles:      profiles,
		Numbers:       numbers,
		Secret:        secret,
		Previous:      previous,
		Store:         a.store,
		Sender:        telemetry.NewSender(a.sender, registry, a.traces),
		SendTimeout:   cfg.FlowrouteTimeout,
		TrackReceipts: webhook.Token != "",
		SharedIDs:     cfg.SharedIDs,
		Observer:      telemetry.NewObserver(callersOf(keys), policies, a.log.Logger, registry),
	}
	a.service = codes.NewService(o)
	options := api.Options{
		Service:        a.service,
		Webhook:        webhook,
		State:          a,
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
		options.Service = newDebugService(a.service, o)
	}
	return a.startServers(api.New(options), registry, webhook)
}

// openBackends opens Redis and Flowroute, or in debug mode their substitutes.
func (a *App) openBackends(phone io.Writer, operations *telemetry.Operations) (err error) {
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
	account.Callback = cfg.CallbackURL()
	// The parentheses of "(devel)" would begin a comment in the header.
	account.UserAgent = "sms-verification/" + strings.Trim(a.build.Version, "()")

	redisstore.LogTo(a.log.Logger)
	if a.store, err = OpenStore(cfg, redis, operations.Done); err != nil {
		return err
	}
	a.inspect.redis, a.inspect.log, a.inspect.every = a.store, a.log.Logger, inspectEvery
	a.sender = flowroute.New(account)
	return nil
}

// registerMetrics registers the metrics of the process, its settings and Redis.
func (a *App) registerMetrics(r *prometheus.Registry, policies []codes.Policy) {
	telemetry.RegisterSettings(r, policies)
	if a.cfg.SegmentPrice > 0 {
		telemetry.RegisterPrice(r, a.cfg.SegmentPrice)
	}
	telemetry.RegisterReady(r, a.Ready)
	telemetry.RegisterPool(r, a.store.Pool)
	telemetry.RegisterClock(r, a.store.ClockSteps)
	telemetry.RegisterInspection(r, a.inspect.unsafeSettings)
	telemetry.RegisterBudget(r, policies[0].Limits.Total, a.store.Used)
	telemetry.RegisterUnverified(r, policies[0].Limits.Unverified, a.store.Unverified)
	telemetry.RegisterLog(r, a.log.lines.droppedLines)
}
