package telemetry

import (
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Observer is a codes.Observer that counts codes, messages and checks.
type Observer struct {
	logger     *slog.Logger
	checks     map[string]prometheus.Counter // by outcome
	ends       map[string]prometheus.Counter // by how
	wait       prometheus.Observer
	untracked  prometheus.Counter
	over       *expiryBuckets // entries, by when they expire
	endedEarly *expiryBuckets // entries that ended earlier, by when they would have expired
	allowance  *allowance

	created, sent, segments, verified *prometheus.CounterVec // by area, caller and profile
	wrong                             *prometheus.CounterVec // by caller and profile
	delivered, undelivered            *prometheus.CounterVec // by area and caller
}

var _ codes.Observer = (*Observer)(nil)

// NewObserver registers the counters of all callers and policies. All counters exist
// from the start, because Prometheus sees no increase when a counter first appears.
func NewObserver(callers []string, policies []codes.Policy, logger *slog.Logger, r prometheus.Registerer) *Observer {
	lifetime := time.Duration(0)
	for _, p := range policies {
		lifetime = max(lifetime, p.Lifetime)
	}
	o := &Observer{
		logger: logger,
		checks: counters(r, "smsv_checks_total", "Codes checked, by outcome.",
			"outcome", "right", "wrong", "used_up", "expired", "unknown"),
		ends: counters(r, "smsv_codes_ended_total", "Entries that ended before they expired, by how they ended.",
			"how", "verified", "used_up", "replaced", "cancelled", "withdrawn"),
		over:       newExpiryBuckets(lifetime),
		endedEarly: newExpiryBuckets(lifetime),
		delivered: counterVec(r, "smsv_codes_delivered_total",
			"Messages delivered to the network or phone according to receipts, each counted once.", "area", "caller"),
		undelivered: counterVec(r, "smsv_codes_undelivered_total",
			"Messages rejected on the way according to receipts, each counted once.", "area", "caller"),
	}
	registerCounter(r, "smsv_codes_over_total", "Entries whose CODE_EXPIRATION is over, however they ended, except withdrawn ones.", o.over.due)
	registerCounter(r, "smsv_codes_over_ended_total", "Entries in smsv_codes_over_total that had ended earlier; the rest expired unused.", o.endedEarly.due)
	o.allowance = newAllowance(logger, r)
	wait := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "smsv_pace_wait_seconds",
		Help:    "Time that a message waited for its turn under FLOWROUTE_RATE.",
		Buckets: []float64{0, .05, .1, .25, .5, 1, 2, 5, 10, 30},
	})
	untracked := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "smsv_codes_untracked_total",
		Help: "Messages that were sent but not recorded, so their receipts are not counted.",
	})
	r.MustRegister(wait, untracked)
	o.wait, o.untracked = wait, untracked
	o.registerUsers(callers, policies, r)
	return o
}

func (o *Observer) registerUsers(callers []string, policies []codes.Policy, r prometheus.Registerer) {
	created := counterVec(r, "smsv_codes_created_total",
		"Entries whose message was handed to Flowroute, confirmed or not.", "area", "caller", "profile")
	sent := counterVec(r, "smsv_codes_sent_total", "Messages that Flowroute accepted.", "area", "caller", "profile")
	segments := counterVec(r, "smsv_message_segments_total", "Segments of the messages that Flowroute accepted; these are billed.", "area", "caller", "profile")
	verified := counterVec(r, "smsv_codes_verified_total", "Right codes, by area of the recipient and by caller of the check.", "area", "caller", "profile")
	wrong := counterVec(r, "smsv_codes_wrong_total", "Wrong codes that were compared, by caller of the check.", "caller", "profile")
	for _, p := range policies {
		for _, caller := range callers {
			if p.Callers != nil && !slices.Contains(p.Callers, caller) {
				continue
			}
			wrong.WithLabelValues(caller, p.Profile)
			for area := range codes.Area(codes.Areas) {
				name := area.String()
				for _, vec := range []*prometheus.CounterVec{created, sent, segments, verified} {
					vec.WithLabelValues(name, caller, p.Profile)
				}
				o.delivered.WithLabelValues(name, caller)
				o.undelivered.WithLabelValues(name, caller)
			}
		}
	}
	o.created, o.sent, o.segments, o.verified, o.wrong = created, sent, segments, verified, wrong
}

// Created counts a create; see codes.Observer.
func (o *Observer) Created(e codes.CreateEvent) {
	area := e.Area.String()
	if e.Reserved {
		o.wait.Observe(e.Wait.Seconds())
	}
	if e.OverAllowance != nil {
		o.allowance.exceeded(e)
	}
	if e.Stored && (e.Sent || e.Uncertain) { // else nothing was sent, or to a test recipient, or the same code again
		o.created.WithLabelValues(area, e.Caller, e.Profile).Inc()
	}
	if e.Sent {
		o.sent.WithLabelValues(area, e.Caller, e.Profile).Inc()
		o.segments.WithLabelValues(area, e.Caller, e.Profile).Add(float64(e.Segments))
	}
	if e.Withdrawn {
		o.ends["withdrawn"].Inc()
	}
	if e.Stored {
		// The lifetime begins at the turn to send, or later. So an early end is never
		// counted before the entry itself.
		o.over.add(e.Arrived.Add(e.Wait + e.Lifetime))
		if e.Replaced > 0 {
			o.end("replaced", e.Replaced)
		}
	}
	if e.TrackingErr != nil {
		o.untracked.Inc()
		o.logger.Warn("message sent, but its receipts will not be counted", "error", e.TrackingErr.Error())
	}
}

// Checked counts a check; see codes.Observer.
func (o *Observer) Checked(e codes.CheckEvent) {
	switch {
	case e.Status == codes.Right:
		o.checks["right"].Inc()
		o.verified.WithLabelValues(e.Area.String(), e.Caller, e.Profile).Inc()
		o.end("verified", e.TTLLeft)
	case e.Status == codes.Wrong && e.AttemptsLeft > 0:
		o.checks["wrong"].Inc()
		o.wrong.WithLabelValues(e.Caller, e.Profile).Inc()
	case e.Status == codes.Wrong:
		o.checks["used_up"].Inc()
		o.wrong.WithLabelValues(e.Caller, e.Profile).Inc()
		o.end("used_up", e.TTLLeft)
	case e.Status == codes.Expired:
		o.checks["expired"].Inc()
	default:
		o.checks["unknown"].Inc()
	}
}

// Cancelled counts a cancellation; see codes.Observer.
func (o *Observer) Cancelled(ttlLeft time.Duration) {
	if ttlLeft > 0 {
		o.end("cancelled", ttlLeft)
	}
}

// Delivery counts receipts; see codes.Observer. Their caller may be unknown to this
// replica.
func (o *Observer) Delivery(e codes.DeliveryEvents) {
	if e.Delivered {
		o.delivered.WithLabelValues(e.Area.String(), e.Caller).Inc()
	}
	if e.Failed {
		o.undelivered.WithLabelValues(e.Area.String(), e.Caller).Inc()
	}
}

// end counts an entry that ended ttlLeft before it would have expired. Another
// replica may have counted the entry, with buckets that start at another time. So
// the end is counted one bucket later, which is never too early.
func (o *Observer) end(how string, ttlLeft time.Duration) {
	o.ends[how].Inc()
	o.endedEarly.add(time.Now().Add(ttlLeft + o.endedEarly.span))
}

func counterVec(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(vec)
	return vec
}

// counters registers a counter with one label and returns it by label value.
func counters(r prometheus.Registerer, name, help, label string, values ...string) map[string]prometheus.Counter {
	vec := counterVec(r, name, help, label)
	all := make(map[string]prometheus.Counter, len(values))
	for _, v := range values {
		all[v] = vec.WithLabelValues(v)
	}
	return all
}
