package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// row is what a line of the table is about. Samples of one row differ in the
// round only.
type row struct {
	workload    string
	connections int
	redisAt     string
	system      string
}

// values are what was measured, in the order of the columns.
type values [7]float64

const (
	rate = iota
	p50
	p99
	cpu
	redisCPU
	allocs
	refused
)

var columns = []struct{ name, format string }{
	rate:     {"ops/s", "%.0f"},
	p50:      {"p50-ms", "%.2f"},
	p99:      {"p99-ms", "%.2f"},
	cpu:      {"CPU-µs/op", "%.1f"},
	redisCPU: {"Redis-µs/op", "%.1f"},
	allocs:   {"allocs/op", "%.1f"},
	refused:  {"503-%", "%.2f"},
}

// sample is one run of a workload on a system.
type sample struct {
	row
	values
}

// writeTable writes the medians of each row, which it returns, and below them
// the row's ratios to each base. Ratios are taken within a round.
func writeTable(out io.Writer, samples []sample, bases ...string) map[row]values {
	var rows []row
	runs, medians := map[row][]values{}, map[row]values{}
	for _, s := range samples {
		if runs[s.row] == nil {
			rows = append(rows, s.row)
		}
		runs[s.row] = append(runs[s.row], s.values)
	}
	w := newTable(out)
	_, _ = fmt.Fprint(w, "workload\tconns\tRedis at\tsystem")
	for _, c := range columns {
		_, _ = fmt.Fprint(w, "\t", c.name)
	}
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "\n%s\t%d\t%s\t%s", r.workload, r.connections, r.redisAt, r.system)
		var m values
		for i, c := range columns {
			m[i] = median(column(runs[r], i))
			_, _ = fmt.Fprintf(w, "\t"+c.format, m[i])
		}
		medians[r] = m
		for _, base := range bases {
			if base == r.system {
				break // a base has ratios to those before it only
			}
			b := row{r.workload, r.connections, r.redisAt, base}
			if runs[b] == nil {
				continue
			}
			_, _ = fmt.Fprintf(w, "\n%s\t%d\t%s\t%s/%s", r.workload, r.connections, r.redisAt, r.system, base)
			for i := range columns[:refused] {
				_, _ = fmt.Fprint(w, "\t", spread(column(runs[r], i), column(runs[b], i)))
			}
			_, _ = fmt.Fprint(w, "\t–")
		}
	}
	_, _ = fmt.Fprintln(w)
	check(w.Flush())
	return medians
}

// newTable aligns cells that end with tabs, when it is flushed.
func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

func column(runs []values, i int) (list []float64) {
	for _, v := range runs {
		list = append(list, v[i])
	}
	return list
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread divides round by round, since both sides have the same rounds, and
// returns the median with the least and the most.
func spread(a, b []float64) string {
	ratios := slices.Clone(a)
	for i := range ratios {
		ratios[i] /= b[i]
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}
