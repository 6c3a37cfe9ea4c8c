package telemetry

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
)

// Build identifies the running program.
type Build struct{ Version, Commit, GoVersion string }

// NewRegistry returns a registry with the metrics of Go, the process and the build.
func NewRegistry(b Build) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "smsv_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "goversion": b.GoVersion},
	})
	info.Set(1)
	r.MustRegister(info)
	return r
}

// RegisterSettings exposes the settings that alerts compare with, by profile.
func RegisterSettings(r prometheus.Registerer, policies []codes.Policy) {
	gauge := func(name, help string, value float64, labels prometheus.Labels) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
		g.Set(value)
		r.MustRegister(g)
	}
	for _, p := range policies {
		profile := prometheus.Labels{"profile": p.Profile}
		gauge("smsv_code_space", "Number of possible codes: 10 to the power of CODE_LENGTH.", math.Pow10(p.CodeLength), profile)
		gauge("smsv_codes_lifetime_seconds", "CODE_EXPIRATION.", p.Lifetime.Seconds(), profile)
	}
	pace := policies[0].Limits.Pace // the same in all policies
	gauge("smsv_flowroute_rate_limit", "FLOWROUTE_RATE in messages per second; 0 is no limit.", float64(pace.Rate), nil)
	gauge("smsv_flowroute_max_wait_seconds", "FLOWROUTE_MAX_WAIT.", pace.MaxWait.Seconds(), nil)
}

// RegisterPrice exposes the price of a segment.
func RegisterPrice(r prometheus.Registerer, price float64) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "smsv_segment_price", Help: "SEGMENT_PRICE; absent if not set."})
	g.Set(price)
	r.MustRegister(g)
}

// RegisterReady exposes what /readyz answers.
func RegisterReady(r prometheus.Registerer, ready func() bool) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "smsv_ready", Help: "1 if /readyz reports ready, else 0."}, func() float64 {
		if ready() {
			return 1
		}
		return 0
	}))
}

// RegisterPool exposes the connections to Redis.
func RegisterPool(r prometheus.Registerer, pool func() redisstore.Pool) {
	gauge := func(state string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "smsv_redis_pool_connections", Help: "Connections to Redis.", ConstLabels: prometheus.Labels{"state": state},
		}, value))
	}
	gauge("total", func() float64 { return float64(pool().Total) })
	gauge("idle", func() float64 { return float64(pool().Idle) })
	registerCounter(r, "smsv_redis_pool_misses_total", "Operations that found no idle connection to Redis.",
		func() float64 { return float64(pool().Misses) })
	registerCounter(r, "smsv_redis_pool_timeouts_total", "Operations that timed out waiting for a connection to Redis.",
		func() float64 { return float64(pool().Timeouts) })
}

// RegisterClock exposes the observed jumps of Redis' clock.
func RegisterClock(r prometheus.Registerer, steps func() int64) {
	registerCounter(r, "smsv_redis_clock_steps_total", "Jumps of a Redis server's clock by more than a second.",
		func() float64 { return float64(steps()) })
}

// RegisterLog exposes the number of dropped log lines.
func RegisterLog(r prometheus.Registerer, dropped func() float64) {
	registerCounter(r, "smsv_log_lines_dropped_total", "Log lines dropped because the log reader is too slow.", dropped)
}

// RegisterConnections exposes the client connections of a listener. counts returns
// the number of open connections, of connections closed to make room, and of errors
// of accept.
func RegisterConnections(r prometheus.Registerer, listener string, limit int, counts func() (open, evicted, errors int64)) {
	labels := prometheus.Labels{"listener": listener}
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	counter := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	gauge("smsv_connections", "Open client connections, by listener.",
		func() float64 { open, _, _ := counts(); return float64(open) })
	gauge("smsv_connections_limit", "MAX_CONNECTIONS, lowered to what the file descriptors allow, by listener.",
		func() float64 { return float64(limit) })
	counter("smsv_connections_closed_total", "Idle client connections closed to make room for new ones, by listener.",
		func() float64 { _, evicted, _ := counts(); return float64(evicted) })
	counter("smsv_accept_errors_total", "Client connections that could not be accepted, by listener.",
		func() float64 { _, _, errors := counts(); return float64(errors) })
}

func registerCounter(r prometheus.Registerer, name, help string, value func() float64) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// budgetTimeout is the longest time that a scrape waits for Redis.
const budgetTimeout = 300 * time.Millisecond

// budget collects how much of SEND_LIMITS_TOTAL all replicas have used. It asks
// Redis at each scrape. Without an answer it exposes the limits only.
type budget struct {
	windows     []codes.Window
	read        func(context.Context, []codes.Window) ([]redisstore.Used, error)
	used, limit *prometheus.Desc
}

// RegisterBudget exposes how much of SEND_LIMITS_TOTAL is used.
func RegisterBudget(r prometheus.Registerer, windows []codes.Window, read func(context.Context, []codes.Window) ([]redisstore.Used, error)) {
	r.MustRegister(&budget{
		windows: windows, read: read,
		used: prometheus.NewDesc("smsv_send_budget_used",
			"Messages of all replicas in the current window of SEND_LIMITS_TOTAL.", []string{"limit"}, nil),
		limit: prometheus.NewDesc("smsv_send_budget_limit", "Messages that SEND_LIMITS_TOTAL allows.", []string{"limit"}, nil),
	})
}

// Describe is part of prometheus.Collector.
func (b *budget) Describe(c chan<- *prometheus.Desc) { c <- b.used; c <- b.limit }

// Collect is part of prometheus.Collector.
func (b *budget) Collect(c chan<- prometheus.Metric) {
	for _, w := range b.windows {
		c <- prometheus.MustNewConstMetric(b.limit, prometheus.GaugeValue, float64(w.Max), w.Text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), budgetTimeout)
	defer cancel()
	used, err := b.read(ctx, b.windows)
	if err != nil {
		return // failed operations are counted by their own metric
	}
	for _, u := range used {
		c <- prometheus.MustNewConstMetric(b.used, prometheus.GaugeValue, float64(u.Messages), u.Window.Text)
	}
}

// RegisterInspection exposes the number of unsafe Redis settings.
func RegisterInspection(r prometheus.Registerer, unsafe func() float64) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smsv_redis_unsafe_settings",
		Help: "Unsafe settings and permissions of Redis; the log names them.",
	}, unsafe))
}
