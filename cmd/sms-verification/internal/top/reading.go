package top

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// series is one line of the Prometheus text format.
type series struct {
	name    string
	labels  map[string]string
	value   float64
	counter bool // else a gauge, which has no rate
}

// reading is the result of one scrape, by name and labels.
type reading map[string]series

// parse parses the text format.
func parse(in io.Reader) (reading, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(in)
	if err != nil {
		return nil, fmt.Errorf("not metrics: %w", err)
	}
	r := reading{}
	for name, family := range families {
		for _, m := range family.Metric {
			r.addMetric(name, m)
		}
	}
	return r, nil
}

// addMetric adds a metric. A histogram becomes the series that it is written as.
func (r reading) addMetric(name string, m *dto.Metric) {
	labels := map[string]string{}
	for _, pair := range m.Label {
		labels[pair.GetName()] = printable(pair.GetValue())
	}
	switch {
	case m.Counter != nil:
		r.add(series{name, labels, m.Counter.GetValue(), true})
	case m.Gauge != nil:
		r.add(series{name, labels, m.Gauge.GetValue(), false})
	case m.Histogram != nil:
		r.add(series{name + "_count", labels, float64(m.Histogram.GetSampleCount()), true})
		for _, b := range m.Histogram.Bucket {
			bucket := maps.Clone(labels)
			bucket["le"] = strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64)
			r.add(series{name + "_bucket", bucket, float64(b.GetCumulativeCount()), true})
		}
	}
}

// isOurs reports whether these are metrics of sms-verification.
func (r reading) isOurs() bool {
	for _, s := range r {
		if strings.HasPrefix(s.name, "smsv_") {
			return true
		}
	}
	return false
}

// printable removes characters that could control a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, s)
}

// add adds the value of a series to that of the reading.
func (r reading) add(s series) {
	key := s.name
	for _, label := range slices.Sorted(maps.Keys(s.labels)) {
		key += "\x00" + label + "\x00" + s.labels[label]
	}
	s.value += r[key].value
	r[key] = s
}

// rate returns the increase of each counter per second. A counter that decreased
// was reset.
func (r reading) rate(before reading, seconds float64) reading {
	rates := reading{}
	for key, s := range r {
		if !s.counter {
			continue
		}
		if s.value >= before[key].value {
			s.value -= before[key].value
		}
		s.value /= seconds
		rates[key] = s
	}
	return rates
}

// total adds up the series of a name with the given labels, as name, value, name,
// value. known reports whether any series of that name has these labels, with any
// values.
func (r reading) total(name string, labels ...string) (sum float64, known bool) {
	for _, s := range r {
		if s.name != name {
			continue
		}
		matches, carries := s.has(labels)
		known = known || carries
		if matches {
			sum += s.value
		}
	}
	return sum, known
}

func (s series) has(labels []string) (matches, carries bool) {
	matches, carries = true, true
	for i := 0; i < len(labels); i += 2 {
		value, found := s.labels[labels[i]]
		matches, carries = matches && value == labels[i+1], carries && found
	}
	return matches, carries
}

// values returns the values of a label of a name, sorted.
func (r reading) values(name, label string) []string {
	found := map[string]bool{}
	for _, s := range r {
		if s.name == name {
			found[s.labels[label]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// quantile estimates a quantile of a histogram as Prometheus does: values are evenly
// spread within a bucket, and those beyond the last bound count as that bound. It is
// NaN for an empty histogram.
func (r reading) quantile(q float64, name string, labels ...string) float64 {
	counts := map[float64]float64{}
	for _, s := range r {
		if matches, _ := s.has(labels); s.name != name+"_bucket" || !matches {
			continue
		}
		if bound, err := strconv.ParseFloat(s.labels["le"], 64); err == nil {
			counts[bound] += s.value
		}
	}
	rank := q * counts[math.Inf(1)]
	low, below := 0.0, 0.0
	for _, bound := range slices.Sorted(maps.Keys(counts)) {
		switch count := counts[bound]; {
		case count < rank || count == 0:
			low, below = bound, count
		case math.IsInf(bound, 1):
			return low
		default:
			return low + (bound-low)*(rank-below)/(count-below)
		}
	}
	return math.NaN()
}
