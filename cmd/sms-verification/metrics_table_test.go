package main

import (
	"flag"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowroute/sms-verification/codes/codestest"
)

var update = flag.Bool("update", false, "rewrite the table in deploy/metrics.md")

// everyMetric starts a service and makes it use each of its metrics. In debug mode
// receipts come without any setting, whatever address the service listens on.
func everyMetric(t *testing.T) *process {
	p := serveReady(t, debugEnvironment("LISTEN_ADDR=:0", "SEND_LIMITS=1/1h", "SEND_LIMITS_TOTAL=100/1h", "SEGMENT_PRICE=0.0040"))
	for range 2 { // the second reaches the limit
		create(t, p.URL, "a", "12065550142")
	}
	codestest.Await(t, 10*time.Second, "a receipt", func() bool {
		return strings.Contains(get(t, p.Admin+"/metrics").raw, "smsv_receipts_total{")
	})
	return p
}

// TestMetricsTable: deploy/metrics.md lists every metric.
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
	codestest.GeneratedPart(t, "../../deploy/metrics.md", "metrics", table.String(), *update)
}

// TestMetricsConventions: promtool has no objection to names and help texts.
func TestMetricsConventions(t *testing.T) {
	t.Parallel()
	check := exec.Command(codestest.Installed(t, "promtool"), "check", "metrics")
	check.Stdin = strings.NewReader(get(t, everyMetric(t).Admin+"/metrics").raw)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
