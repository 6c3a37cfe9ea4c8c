package telemetry

import (
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// Observer is a codes.Observer that counts what becomes of codes.
type Observer struct {
	logger    *slog.Logger
	users     map[user]*userCounters
	checks    map[string]prometheus.Counter // by outcome
	ends      map[string]prometheus.Counter // by how
	wait      prometheus.Observer
	untracked prometheus.Counter
	over      *expiryBuckets // entries, by the end of their lifetime
	gone      *expiryBuckets // those that had ended before it
	allowance *allowance

	delivered, undelivered *prometheus.CounterVec
}

var _ codes.Observer = (*Observer)(nil)

// user is a caller with one of the profiles that it may use.
type user struct{ caller, profile string }

// userCounters holds what one user did, by area.
type userCounters struct {
	created, sent, segments, verified [codes.Areas]prometheus.Counter

	wrong prometheus.Counter // over all areas
}

// NewObserver registers the counters for the callers and the policies there
// are, of each profile and without one. All counters exist from the start:
// Prometheus does not see an increase from nothing.
func NewObserver(callers []string, policies []codes.Policy, logger *slog.Logger, r prometheus.Registerer) *Observer {
	lifetime := time.Duration(0)
	for _, p := range policies {
		lifetime = max(lifetime, p.Lifetime)
	}
	o := &Observer{
		logger: logger,
		users:  map[user]*userCounters{},
		checks: counters(r, "smsv_checks_total", "Codes checked, by outcome.",
			"outcome", "right", "wrong", "used_up", "expired", "unknown"),
		ends: counters(r, "smsv_codes_ended_total", "Entries that ended before they expired, by how they ended.",
			"how", "verified", "used_up", "replaced", "cancelled", "withdrawn"),
		over: newExpiryBuckets(lifetime),
		gone: newExpiryBuckets(lifetime),
		delivered: counterVec(r, "smsv_codes_delivered_total",
			"Messages delivered to the network or phone according to receipts, each counted once.", "area", "caller"),
		undelivered: counterVec(r, "smsv_codes_undelivered_total",
			"Messages rejected on the way according to receipts, each counted once.", "area", "caller"),
	}
	registerCounter(r, "smsv_codes_over_total", "Entries whose CODE_EXPIRATION is over, however they ended, except withdrawn ones.", o.over.due)
	registerCounter(r, "smsv_codes_over_ended_total", "Entries in smsv_codes_over_total that had ended earlier; the rest expired unused.", o.gone.due)
	o.allowance = newAllowance(logger, r)
	o.registerWait(r)
	o.registerUsers(callers, policies, r)
	return o
}

func (o *Observer) registerWait(r prometheus.Registerer) {
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
			u := &userCounters{wrong: wrong.WithLabelValues(caller, p.Profile)}
			for area := range codes.Area(codes.Areas) {
				name := area.String()
				u.created[area] = created.WithLabelValues(name, caller, p.Profile)
				u.sent[area] = sent.WithLabelValues(name, caller, p.Profile)
				u.segments[area] = segments.WithLabelValues(name, caller, p.Profile)
				u.verified[area] = verified.WithLabelValues(name, caller, p.Profile)
				o.delivered.WithLabelValues(name, caller)
				o.undelivered.WithLabelValues(name, caller)
			}
			o.users[user{caller, p.Profile}] = u
		}
	}
}

// Created counts a create; see codes.Observer.
func (o *Observer) Created(e codes.CreateEvent) {
	counters := o.users[user{e.Caller, e.Profile}]
	if e.Reserved {
		o.wait.Observe(e.Wait.Seconds())
	}
	if e.OverAllowance != nil {
		o.allowance.exceeded(e)
	}
	if e.Stored && (e.Sent || e.Uncertain) { // else nothing was sent, or to a test recipient, or the code of before
		counters.created[e.Area].Inc()
	}
	if e.Sent {
		counters.sent[e.Area].Inc()
		counters.segments[e.Area].Add(float64(e.Segments))
	}
	if e.Withdrawn {
		o.ends["withdrawn"].Inc()
	}
	if e.Stored {
		// The entry's lifetime begins at its turn, which comes no earlier. So an
		// entry that ends early is never counted before the entry is.
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
	counters := o.users[user{e.Caller, e.Profile}]
	switch {
	case e.Status == codes.Right:
		o.checks["right"].Inc()
		counters.verified[e.Area].Inc()
		o.end("verified", e.TTLLeft)
	case e.Status == codes.Wrong && e.AttemptsLeft > 0:
		o.checks["wrong"].Inc()
		counters.wrong.Inc()
	case e.Status == codes.Wrong:
		o.checks["used_up"].Inc()
		counters.wrong.Inc()
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

// Delivery counts what receipts say; see codes.Observer. Replicas may have
// other callers than this one.
func (o *Observer) Delivery(e codes.DeliveryEvents) {
	if e.Delivered {
		o.delivered.WithLabelValues(e.Area.String(), e.Caller).Inc()
	}
	if e.Failed {
		o.undelivered.WithLabelValues(e.Area.String(), e.Caller).Inc()
	}
}

// end counts an entry that ended so long before its time. Another replica may
// have counted the entry, with buckets that do not begin when these do: one
// bucket later is never too early.
func (o *Observer) end(how string, ttlLeft time.Duration) {
	o.ends[how].Inc()
	o.gone.add(time.Now().Add(ttlLeft + o.gone.span))
}

func counterVec(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(vec)
	return vec
}

// counters returns the counters of one label with these values.
func counters(r prometheus.Registerer, name, help, label string, values ...string) map[string]prometheus.Counter {
	vec := counterVec(r, name, help, label)
	all := make(map[string]prometheus.Counter, len(values))
	for _, v := range values {
		all[v] = vec.WithLabelValues(v)
	}
	return all
}
