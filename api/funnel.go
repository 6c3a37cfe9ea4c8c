package api

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowroute/sms-verification/codes"
)

// funnel counts what becomes of codes, from what the service returns: each
// once, whatever was repeated underneath and however often a request with an
// idempotency key came.
type funnel struct {
	callers  map[string]*callerCounters
	checks   map[string]prometheus.Counter // by outcome
	ends     map[string]prometheus.Counter // by how
	limits   *prometheus.CounterVec
	lifetime time.Duration
	over     *calendar // entries, by the end of their lifetime
	gone     *calendar // those that had ended before it
}

// callerCounters are what one caller has, by area.
type callerCounters struct {
	created, sent, segments, verified [codes.Areas]prometheus.Counter
}

// newFunnel registers the counters. All are there from the start: an increase
// from nothing is one that Prometheus does not see.
func newFunnel(callers []string, lifetime time.Duration, r prometheus.Registerer) *funnel {
	f := &funnel{
		callers: map[string]*callerCounters{},
		checks: counters(r, "smsv_checks_total", "Codes checked, by outcome.",
			"outcome", "right", "wrong", "used_up", "expired", "unknown"),
		ends: counters(r, "smsv_codes_ended_total", "Entries that ended before their time, and how.",
			"how", "verified", "used_up", "replaced", "cancelled", "withdrawn"),
		limits:   counterVec(r, "smsv_limits_hit_total", "Requests refused with 429, by the limit that was reached.", "limit"),
		lifetime: lifetime,
		over:     newCalendar(lifetime),
		gone:     newCalendar(lifetime),
	}
	counterFunc(r, "smsv_codes_over_total", "Entries whose CODE_EXPIRATION is over, however they ended; not those withdrawn.", f.over.due)
	counterFunc(r, "smsv_codes_over_ended_total", "Those of smsv_codes_over_total that had ended before: the rest expired unused.", f.gone.due)
	created := counterVec(r, "smsv_codes_created_total",
		"Entries stored whose message was handed to Flowroute, whether or not it confirmed that.", "area", "caller")
	sent := counterVec(r, "smsv_codes_sent_total", "Messages that Flowroute took.", "area", "caller")
	segments := counterVec(r, "smsv_message_segments_total", "Segments of the messages that Flowroute took: what is paid for.", "area", "caller")
	verified := counterVec(r, "smsv_codes_verified_total", "Right codes, by area of the recipient and caller of the check.", "area", "caller")
	for _, caller := range callers {
		c := &callerCounters{}
		for area := range codes.Area(codes.Areas) {
			name := area.String()
			c.created[area] = created.WithLabelValues(name, caller)
			c.sent[area] = sent.WithLabelValues(name, caller)
			c.segments[area] = segments.WithLabelValues(name, caller)
			c.verified[area] = verified.WithLabelValues(name, caller)
		}
		f.callers[caller] = c
	}
	return f
}

// created counts a create that began at the given time.
func (f *funnel) created(caller string, begun time.Time, c codes.Created, err error) {
	if c.Repeated {
		return
	}
	counters := f.callers[caller]
	if err == nil || errors.Is(err, codes.ErrUnconfirmed) {
		counters.created[c.Area].Inc()
	}
	if err == nil {
		counters.sent[c.Area].Inc()
		counters.segments[c.Area].Add(float64(c.Segments))
	}
	if c.Replaced > 0 {
		f.end("replaced", c.Replaced)
	}
	if c.Withdrawn {
		f.ends["withdrawn"].Inc()
	}
	if c.Stored {
		f.over.add(begun.Add(f.lifetime)) // or a little later: never counted after its early end is
	}
}

// checked counts a check that was answered.
func (f *funnel) checked(caller string, o codes.Outcome) {
	switch {
	case o.Repeated:
	case o.Status == codes.Right:
		f.checks["right"].Inc()
		f.callers[caller].verified[o.Area].Inc()
		f.end("verified", o.Rest)
	case o.Status == codes.Wrong && o.Left > 0:
		f.checks["wrong"].Inc()
	case o.Status == codes.Wrong:
		f.checks["used_up"].Inc()
		f.end("used_up", o.Rest)
	case o.Status == codes.Expired:
		f.checks["expired"].Inc()
	default:
		f.checks["unknown"].Inc()
	}
}

// cancelled counts a cancellation of an entry that had so much life left, or
// of none.
func (f *funnel) cancelled(rest time.Duration) {
	if rest > 0 {
		f.end("cancelled", rest)
	}
}

// end counts an entry that ended so long before its time.
func (f *funnel) end(how string, rest time.Duration) {
	f.ends[how].Inc()
	f.gone.add(time.Now().Add(rest + f.gone.slot))
}

func counterVec(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(vec)
	return vec
}

func counterFunc(r prometheus.Registerer, name, help string, value func() float64) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// counters are the counters of one label that has these values.
func counters(r prometheus.Registerer, name, help, label string, values ...string) map[string]prometheus.Counter {
	vec := counterVec(r, name, help, label)
	all := make(map[string]prometheus.Counter, len(values))
	for _, v := range values {
		all[v] = vec.WithLabelValues(v)
	}
	return all
}
