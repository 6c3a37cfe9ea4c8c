package main

import (
	"bytes"
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

// sample is one run of a workload on a system.
type sample struct {
	row
	result
	cpu, redis float64 // processor time for each operation, in microseconds
	allocs     float64 // for each operation
}

func rate(s sample) float64     { return s.rate() }
func cpu(s sample) float64      { return s.cpu }
func redisCPU(s sample) float64 { return s.redis }
func allocs(s sample) float64   { return s.allocs }

// writeTable writes the medians of each row, and then the ratios to the same
// row of each base. Ratios are taken within a round.
func writeTable(out io.Writer, samples []sample, bases []string) error {
	var rows []row
	runs := map[row][]sample{}
	for _, s := range samples {
		if runs[s.row] == nil {
			rows = append(rows, s.row)
		}
		runs[s.row] = append(runs[s.row], s)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "workload\tconns\tRedis at\tsystem\tops/s\tp50 ms\tp99 ms\tCPU µs/op\tRedis µs/op\tallocs/op\t503")
	for _, r := range rows {
		of := func(value func(sample) float64) float64 { return median(each(runs[r], value)) }
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.0f\t%.2f\t%.2f\t%.1f\t%.1f\t%.1f\t%.2f%%\n", r.workload, r.connections, r.redisAt, r.system,
			of(rate), of(func(s sample) float64 { return s.p50.Seconds() * 1e3 }), of(func(s sample) float64 { return s.p99.Seconds() * 1e3 }),
			of(cpu), of(redisCPU), of(allocs), of(func(s sample) float64 { return 100 * float64(s.refused) / float64(s.ops+s.refused) }))
	}
	if err := w.Flush(); err != nil || len(bases) == 0 {
		return err
	}
	_, _ = fmt.Fprintln(w, "\nratios: median (least–most)")
	_, _ = fmt.Fprintln(w, "workload\tconns\tRedis at\tsystem/base\tops/s\tCPU\tRedis CPU\tallocs")
	for _, r := range rows {
		for _, base := range bases {
			if b := (row{r.workload, r.connections, r.redisAt, base}); r != b && (!slices.Contains(bases, r.system) || base == bases[0]) {
				of := func(value func(sample) float64) string { return spread(ratios(runs[r], runs[b], value)) }
				_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s/%s\t%s\t%s\t%s\t%s\n", r.workload, r.connections, r.redisAt, r.system, base,
					of(rate), of(cpu), of(redisCPU), of(allocs))
			}
		}
	}
	return w.Flush()
}

// benchmarkLines writes every sample in the format of Go benchmarks.
func benchmarkLines(samples []sample) []byte {
	var out bytes.Buffer
	for _, s := range samples {
		_, _ = fmt.Fprintf(&out, "Benchmark/%s/conns=%d/redis=%s/system=%s %d %.1f ops/s %d p50-ns %d p99-ns %.2f cpu-µs/op %.2f redis-µs/op %.2f allocs/op\n",
			s.workload, s.connections, s.redisAt, s.system, s.ops, rate(s), s.p50, s.p99, s.cpu, s.redis, s.allocs)
	}
	return out.Bytes()
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

// spread is the median with the least and the most.
func spread(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(values), slices.Min(values), slices.Max(values))
}
