package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var update = flag.Bool("update", false, "write deploy/metrics.md anew")

// families are the metrics of a service by name.
func families(t testing.TB, p *process) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(get(t, p.Admin+"/metrics").raw))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// everyMetric is a service that has used each of its metrics.
func everyMetric(t *testing.T) *process {
	p := serveReady(t, debugEnvironment("SEND_LIMITS=1/1h", "SEND_LIMITS_TOTAL=100/1h", "SEGMENT_PRICE=0.0040"))
	for range 2 { // the second reaches the limit
		create(t, p.URL, "a", "12065550142")
	}
	eventually(t, 10*time.Second, "a receipt", func() bool {
		return strings.Contains(get(t, p.Admin+"/metrics").raw, "smsv_receipts_total{")
	})
	return p
}

// TestMetricsTable: deploy/metrics.md lists every metric as it is.
func TestMetricsTable(t *testing.T) {
	t.Parallel()
	all := families(t, everyMetric(t))
	var table strings.Builder
	table.WriteString("| name | kind | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if f := all[name]; strings.HasPrefix(name, "smsv_") {
			labels := map[string]bool{}
			for _, m := range f.Metric {
				for _, l := range m.Label {
					labels["`"+l.GetName()+"`"] = true
				}
			}
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()),
				strings.Join(slices.Sorted(maps.Keys(labels)), ", "), f.GetHelp())
		}
	}
	const path, begin, end = "../../deploy/metrics.md", "<!-- metrics:begin -->\n", "<!-- metrics:end -->"
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(document), begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatal("deploy/metrics.md has no place for the table")
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(document) != want {
		t.Errorf("deploy/metrics.md is out of date (go test -run TestMetricsTable ./cmd/sms-verification -update); the table is\n%s", &table)
	}
}

// TestMetricsConventions: promtool finds nothing to say about names and helps.
func TestMetricsConventions(t *testing.T) {
	t.Parallel()
	needs(t, "promtool")
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(get(t, everyMetric(t).Admin+"/metrics").raw)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// needs skips the test on a machine without the program, and fails it where
// everything has to be there.
func needs(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("REQUIRE_REDIS") == "1" {
		t.Fatalf("%s is not installed, and REQUIRE_REDIS=1", program)
	}
	t.Skipf("%s is not installed", program)
}
