package main

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// families returns the metrics of a service by name.
func families(t testing.TB, p *process) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(get(t, p.Admin+"/metrics").raw))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sums adds up a metric over replicas by the values of a label, or of all labels
// if the label is empty. Of a histogram it adds up the samples.
func sums(t testing.TB, fleet []*process, name, label string) map[string]int64 {
	t.Helper()
	sums := map[string]int64{}
	for _, p := range fleet {
		for _, m := range families(t, p)[name].GetMetric() {
			var values []string
			for _, l := range m.Label {
				if label == "" || l.GetName() == label {
					values = append(values, l.GetValue())
				}
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			sums[strings.Join(values, ",")] += int64(value) + int64(m.GetHistogram().GetSampleCount())
		}
	}
	return sums
}

// total adds up a metric over replicas.
func total(t testing.TB, fleet []*process, name string) (n int64) {
	t.Helper()
	for _, value := range sums(t, fleet, name, "") {
		n += value
	}
	return n
}
