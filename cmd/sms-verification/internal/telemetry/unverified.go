package telemetry

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// allowance reports messages that exceed UNVERIFIED_LIMITS.
type allowance struct {
	logger   *slog.Logger
	refusals *prometheus.CounterVec

	mu     sync.Mutex
	logged map[string]time.Time // when an exchange was last logged
}

const (
	logExchangeEvery = time.Minute
	maxExchanges     = 1000 // that are remembered, so that there are no more lines in a minute
)

// kinds are the values of the label kind.
var kinds = map[codes.LimitKind]string{codes.ExchangeLimit: "exchange", codes.AreaLimit: "area", codes.AllLimit: "all"}

func newAllowance(logger *slog.Logger, r prometheus.Registerer) *allowance {
	a := &allowance{logger: logger, logged: map[string]time.Time{}, refusals: counterVec(r, "smsv_unverified_refusals_total",
		"Messages that exceeded UNVERIFIED_LIMITS: refused in the mode enforce, sent in the mode shadow.", "kind", "mode")}
	for _, kind := range kinds {
		for _, mode := range []string{"shadow", "enforce"} {
			a.refusals.WithLabelValues(kind, mode)
		}
	}
	return a
}

// exceeded counts a message over an allowance, and logs its exchange, which is not
// the number, at most once a minute.
func (a *allowance) exceeded(e codes.CreateEvent) {
	mode := "shadow"
	if e.Refused {
		mode = "enforce"
	}
	a.refusals.WithLabelValues(kinds[e.OverAllowance.Kind], mode).Inc()
	if a.isDue(e.Exchange, time.Now()) {
		a.logger.Warn("messages whose code is not entered exceed UNVERIFIED_LIMITS",
			"exchange", e.Exchange, "limit", e.OverAllowance.Limit, "mode", mode)
	}
}

func (a *allowance) isDue(exchange string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, known := a.logged[exchange]; known && now.Sub(last) < logExchangeEvery {
		return false
	}
	if len(a.logged) >= maxExchanges {
		for other, last := range a.logged {
			if now.Sub(last) >= logExchangeEvery {
				delete(a.logged, other)
			}
		}
		if len(a.logged) >= maxExchanges {
			return false
		}
	}
	a.logged[exchange] = now
	return true
}
