package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// row is one line of the table: the runs of one system, one a round.
type row struct {
	workload    string
	connections int
	system      string
}

// writeTable writes one row for each workload, number of connections and
// system, in the order of systems: medians over the rounds, and the ratio of its operations per second
// and of its CPU to those of each base. Ratios are taken within a round.
func writeTable(out io.Writer, samples []sample, systems, bases []string) error {
	var groups []row // without a system
	runs := map[row][]sample{}
	for _, s := range samples {
		group := row{s.Workload, s.Connections, ""}
		if !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
		r := row{s.Workload, s.Connections, s.System}
		runs[r] = append(runs[r], s)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(w, "workload\tconns\tsystem\tops/s\tp50 ms\tp99 ms\tCPU µs/op\tRedis µs/op\tallocs/op\t503")
	for _, base := range bases {
		_, _ = fmt.Fprintf(w, "\tops/s to %s\tCPU to %[1]s", base)
	}
	_, _ = fmt.Fprintln(w)
	for _, group := range groups {
		for _, system := range systems {
			r := row{group.workload, group.connections, system}
			own := runs[r]
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t%.2f%%", r.workload, r.connections, r.system,
				median(each(own, rate)), median(each(own, p50)), median(each(own, p99)), median(each(own, cpu)),
				median(each(own, redisCPU)), median(each(own, allocs)), median(each(own, refused)))
			for _, base := range bases {
				other := runs[row{r.workload, r.connections, base}]
				_, _ = fmt.Fprintf(w, "\t%s\t%s", spread(ratios(own, other, rate)), spread(ratios(own, other, cpu)))
			}
			_, _ = fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

func rate(s sample) float64     { return float64(s.Ops) / s.Elapsed.Seconds() }
func p50(s sample) float64      { return s.P50.Seconds() * 1e3 }
func p99(s sample) float64      { return s.P99.Seconds() * 1e3 }
func cpu(s sample) float64      { return s.CPUPerOp }
func redisCPU(s sample) float64 { return s.RedisPerOp }
func allocs(s sample) float64   { return s.Allocs }

func refused(s sample) float64 {
	return 100 * float64(s.Refused) / float64(s.Ops+s.Refused)
}

func each(samples []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return values
}

// ratios divides round by round: both sides have the same rounds.
func ratios(a, b []sample, of func(sample) float64) []float64 {
	values := make([]float64, len(a))
	for i := range a {
		values[i] = of(a[i]) / of(b[i])
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is the median, and between which values it lies.
func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(values), slices.Min(values), slices.Max(values))
}
