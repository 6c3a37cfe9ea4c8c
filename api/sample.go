package api

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sampler lets so many lines through in each second, and counts the rest.
type sampler struct {
	rate   int64 // 0 lets all through
	second atomic.Int64
	lines  atomic.Int64 // in that second
	left   prometheus.Counter
}

func newSampler(rate int, r prometheus.Registerer) *sampler {
	s := &sampler{rate: int64(rate), left: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "smsv_log_lines_sampled_total", Help: "Lines of ordinary requests left out because LOG_RATE were written in that second.",
	})}
	r.MustRegister(s.left)
	return s
}

// next tells whether the line of now may be written. The first of a second
// learns how many were left out since it last was told.
func (s *sampler) next(now time.Time) (pass bool, left int64) {
	if s.rate == 0 {
		return true, 0
	}
	second := now.Unix()
	if last := s.second.Load(); last < second && s.second.CompareAndSwap(last, second) {
		return true, max(0, s.lines.Swap(1)-s.rate)
	}
	if s.lines.Add(1) <= s.rate {
		return true, 0
	}
	s.left.Inc()
	return false, 0
}
