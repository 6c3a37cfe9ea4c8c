// Package monitoring_test checks the alerts and the dashboard against the service's
// metrics, and tests them with a real Prometheus.
package monitoring_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/flowroute/sms-verification/codes/codestest"
)

const (
	alertsPath    = "../helm/sms-verification/files/alerts.yaml"
	dashboardPath = "../helm/sms-verification/files/dashboard.json"
	runbook       = "https://github.com/flowroute/sms-verification/blob/main/deploy/alerts.md#"
)

// rule is one of alerts.yaml.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

// target is one query of a panel.
type target struct{ RefID, Expr string }

// panel is one of the dashboard.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []target
}

// dashboard is dashboard.json.
type dashboard struct {
	SchemaVersion int
	Annotations   struct{ List []target }
	Templating    struct{ List []struct{ Name, Type string } }
	Panels        []panel
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, alertsPath)), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func board(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, dashboardPath)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestAlerts: each alert has a description, a test, and an entry in alerts.md, which
// has no others.
func TestAlerts(t *testing.T) {
	var names, entries []string
	tests := read(t, "alerts_test.yaml")
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		names = append(names, r.Alert)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		for _, annotation := range []string{"summary", "description"} {
			if r.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		if got, want := r.Annotations["runbook_url"], runbook+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s: runbook_url %s, want %s", r.Alert, got, want)
		}
		if !strings.Contains(tests, `alertname="`+r.Alert+`"`) {
			t.Errorf("alerts_test.yaml does not show %s firing", r.Alert)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (\S+)$`).FindAllStringSubmatch(read(t, "../alerts.md"), -1) {
		entries = append(entries, heading[1])
	}
	if !slices.Equal(names, entries) {
		t.Errorf("the alerts are\n%v\nbut alerts.md has\n%v", names, entries)
	}
}

// TestDashboard: each panel has a title, a description, a unit and a place of its
// own.
func TestDashboard(t *testing.T) {
	d := board(t)
	if d.SchemaVersion < 39 || len(d.Panels) < 30 {
		t.Errorf("%d panels of schema %d", len(d.Panels), d.SchemaVersion)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s: id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s overlaps %q or the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.GridPos.W == 0 {
			t.Errorf("panel %d lacks a title, a description, a unit, a query or a place", p.ID)
		}
	}
	defined := map[string]bool{"__range": true, "__rate_interval": true, "__all": true}
	for _, v := range d.Templating.List {
		defined[v.Name] = true
	}
	for _, use := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(read(t, dashboardPath), -1) {
		if !defined[use[1]] {
			t.Errorf("$%s is not defined", use[1])
		}
	}
}

// metrics returns the metrics in metrics.md with their labels.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"up": nil, "ALERTS": {"alertname", "alertstate"}}
	rows := regexp.MustCompile("(?m)^\\| `(smsv_\\w+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(read(t, "../metrics.md"), -1)
	for _, row := range rows {
		labels := strings.FieldsFunc(row[3], func(c rune) bool { return strings.ContainsRune("`, ", c) })
		if row[2] != "histogram" {
			all[row[1]] = labels
			continue
		}
		all[row[1]+"_bucket"] = append(labels, "le")
		all[row[1]+"_count"], all[row[1]+"_sum"] = labels, labels
	}
	return all
}

var (
	quoted   = regexp.MustCompile(`"[^"]*"`)
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?`)
	matched  = regexp.MustCompile(`(\w+)\s*[=!]`)
)

// TestExpressions: alerts, dashboard and unverified.md query metrics and labels that
// exist.
func TestExpressions(t *testing.T) {
	known := metrics(t)
	expressions := map[string]string{}
	for _, r := range rules(t) {
		expressions[r.Alert+r.Record] += "\n" + r.Expr
		if r.Record != "" {
			known[r.Record] = []string{"area", "outcome", "limit", "result", "kind", "mode"}
		}
	}
	for _, p := range board(t).Panels {
		for _, q := range p.Targets {
			expressions[p.Title] += "\n" + q.Expr
		}
	}
	for _, query := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(read(t, "../unverified.md"), -1) {
		expressions["unverified.md"] += "\n" + query[1]
	}
	found := 0
	for where, expression := range expressions {
		for _, use := range selector.FindAllStringSubmatch(quoted.ReplaceAllString(expression, `""`), -1) {
			name := use[1]
			if !strings.HasPrefix(name, "smsv") && name != "up" && name != "ALERTS" {
				continue // a function or a label; TestLive covers go_ and process_
			}
			labels, there := known[name]
			if !there {
				t.Errorf("%s: there is no metric %s", where, name)
				continue
			}
			for _, label := range matched.FindAllStringSubmatch(use[2], -1) {
				if label[1] != "job" && !slices.Contains(labels, label[1]) {
					t.Errorf("%s: %s has no label %s", where, name, label[1])
				}
			}
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d metrics found in the expressions", found)
	}
}

// TestRules: promtool accepts the alerts; each fires when it should, and none on an
// ordinary day.
func TestRules(t *testing.T) {
	t.Parallel()
	codestest.Installed(t, "promtool")
	for _, args := range [][]string{{"check", "rules", alertsPath}, {"test", "rules", "alerts_test.yaml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
