package top

import (
	"math"
	"strings"
	"testing"
)

func read(t *testing.T, text string) reading {
	t.Helper()
	r, err := parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRateAfterARestart: a counter that restarted counts from zero.
func TestRateAfterARestart(t *testing.T) {
	before := read(t, "# TYPE a counter\na{x=\"1\"} 100\na{x=\"2\"} 100\n# TYPE g gauge\ng 5\n")
	after := read(t, "# TYPE a counter\na{x=\"1\"} 120\na{x=\"2\"} 30\na{x=\"3\"} 4\n# TYPE g gauge\ng 9\n")
	rates := after.rate(before, 2)
	for x, want := range map[string]float64{"1": 10, "2": 15, "3": 2, "4": 0} {
		if got, known := rates.total("a", "x", x); got != want || !known {
			t.Errorf("%s: %v a second, want %v", x, got, want)
		}
	}
	if _, known := rates.total("g"); known {
		t.Error("a gauge has a rate")
	}
	if _, known := after.total("a", "y", "1"); known {
		t.Error("a label that is not there is known")
	}
}

func TestQuantile(t *testing.T) {
	r := read(t, `# TYPE h histogram
h_bucket{x="1",le="0.1"} 10
h_bucket{x="1",le="0.2"} 20
h_bucket{x="1",le="1"} 20
h_bucket{x="1",le="+Inf"} 20
h_count{x="1"} 20
h_bucket{x="2",le="0.1"} 0
h_bucket{x="2",le="0.2"} 0
h_bucket{x="2",le="1"} 10
h_bucket{x="2",le="+Inf"} 20
h_count{x="2"} 20
h_bucket{x="3",le="0.1"} 0
h_bucket{x="3",le="+Inf"} 0
h_count{x="3"} 0
`)
	for _, c := range []struct {
		q      float64
		x      string
		want   float64
		labels []string
	}{
		{q: 0.25, want: 0.05, labels: []string{"x", "1"}},
		{q: 0.75, want: 0.15, labels: []string{"x", "1"}},
		{q: 1, want: 0.2, labels: []string{"x", "1"}},
		{q: 0.25, want: 0.6, labels: []string{"x", "2"}},
		{q: 0.99, want: 1, labels: []string{"x", "2"}}, // beyond the last bound
		{q: 0.5, want: 0.2},                            // of both
		{q: 0.5, want: math.NaN(), labels: []string{"x", "3"}},
		{q: 0.5, want: math.NaN(), labels: []string{"x", "4"}},
	} {
		got := r.quantile(c.q, "h", c.labels...)
		if math.Abs(got-c.want) > 1e-9 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%v of %v is %v, want %v", c.q, c.labels, got, c.want)
		}
	}
}

// TestHostileLabels: labels of a server cannot control the terminal.
func TestHostileLabels(t *testing.T) {
	r := read(t, "# TYPE smsv_build_info gauge\nsmsv_build_info{version=\"v1\x1b[2J\x07\u202e\"} 1\n")
	if got := r.values("smsv_build_info", "version"); len(got) != 1 || got[0] != "v1[2J" {
		t.Errorf("versions %q", got)
	}
}
