package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
	"github.com/flowroute/sms-verification/redisstore"
)

// allowance counts and logs messages that exceed UNVERIFIED_LIMITS.
type allowance struct {
	logger   *slog.Logger
	refusals *prometheus.CounterVec

	mu      sync.Mutex
	logged  map[string]time.Time // when each exchange was last logged
	sweepAt time.Time            // when the first of them may be logged again
}

const (
	logExchangeEvery = time.Minute
	maxExchanges     = 1000 // in logged: the most lines per minute
)

// kinds are the values of the label kind.
var kinds = map[codes.LimitKind]string{codes.ExchangeLimit: "exchange", codes.AreaLimit: "area", codes.AllLimit: "all"}

func newAllowance(logger *slog.Logger, r prometheus.Registerer) *allowance {
	a := &allowance{logger: logger, logged: map[string]time.Time{}, refusals: counterVec(r, "smsv_unverified_refusals_total",
		"Messages that exceeded UNVERIFIED_LIMITS: refused in mode enforce, sent in mode shadow.", "kind", "mode")}
	for _, kind := range kinds {
		for _, mode := range []codes.UnverifiedMode{codes.UnverifiedShadow, codes.UnverifiedEnforce} {
			a.refusals.WithLabelValues(kind, mode.String())
		}
	}
	return a
}

// exceeded counts a message over an allowance. It logs the exchange, never the
// number, at most once a minute.
func (a *allowance) exceeded(e codes.CreateEvent) {
	mode := codes.UnverifiedShadow
	if e.Refused {
		mode = codes.UnverifiedEnforce
	}
	a.refusals.WithLabelValues(kinds[e.OverAllowance.Kind], mode.String()).Inc()
	if a.isDue(e.Exchange, time.Now()) {
		a.logger.Warn("messages whose code is not entered exceed UNVERIFIED_LIMITS",
			"exchange", e.Exchange, "limit", e.OverAllowance.Limit, "mode", mode.String())
	}
}

func (a *allowance) isDue(exchange string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, known := a.logged[exchange]; known && now.Sub(last) < logExchangeEvery {
		return false
	}
	if len(a.logged) >= maxExchanges {
		if now.Before(a.sweepAt) {
			return false
		}
		a.sweepAt = now.Add(logExchangeEvery)
		for other, last := range a.logged {
			if again := last.Add(logExchangeEvery); !now.Before(again) {
				delete(a.logged, other)
			} else if again.Before(a.sweepAt) {
				a.sweepAt = again
			}
		}
		if len(a.logged) >= maxExchanges {
			return false
		}
	}
	a.logged[exchange] = now
	return true
}

// unverified collects how much of the UNVERIFIED_LIMITS on all messages is used, over
// all replicas. It asks Redis at each scrape. Without an answer it exposes nothing,
// since the allowance comes from Redis too.
type unverified struct {
	limits              []codes.Limit
	read                func(context.Context, []codes.Limit) ([]redisstore.Standing, error)
	messages, allowance *prometheus.Desc
}

// RegisterUnverified exposes how much of the UNVERIFIED_LIMITS on all messages is
// used.
func RegisterUnverified(r prometheus.Registerer, u codes.Unverified, read func(context.Context, []codes.Limit) ([]redisstore.Standing, error)) {
	ofAll := codes.Unverified{Mode: u.Mode, All: u.All}
	r.MustRegister(&unverified{
		limits: ofAll.Limits(codes.Destination{}), read: read,
		messages: prometheus.NewDesc("smsv_unverified_messages",
			"Unverified messages of all replicas in the current window of the UNVERIFIED_LIMITS over all.", []string{"limit"}, nil),
		allowance: prometheus.NewDesc("smsv_unverified_allowance",
			"Unverified messages that the UNVERIFIED_LIMITS over all allow now, with the share for verified codes.", []string{"limit"}, nil),
	})
}

// Describe is part of prometheus.Collector.
func (u *unverified) Describe(c chan<- *prometheus.Desc) { c <- u.messages; c <- u.allowance }

// Collect is part of prometheus.Collector.
func (u *unverified) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), budgetTimeout)
	defer cancel()
	standings, err := u.read(ctx, u.limits)
	if err != nil {
		return
	}
	for _, s := range standings {
		c <- prometheus.MustNewConstMetric(u.messages, prometheus.GaugeValue, float64(s.Used), s.Window.Text)
		c <- prometheus.MustNewConstMetric(u.allowance, prometheus.GaugeValue, float64(s.Window.Max+s.Share), s.Window.Text)
	}
}
