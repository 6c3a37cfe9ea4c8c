package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMessageRecipes: each recipe of deploy/messages.md gives the message that it shows,
// in one segment and without a warning.
func TestMessageRecipes(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../deploy/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```\n\n```text\n(.*?)\n```").FindAllStringSubmatch(string(document), -1)
	if len(recipes) != strings.Count(string(document), "```yaml") || len(recipes) < 3 {
		t.Fatalf("%d recipes with their messages", len(recipes))
	}
	for _, recipe := range recipes {
		p := startIn(t, dirWith(t, "config.yaml", recipe[1]), debugEnvironment(recommended()...), "check", "--json")
		p.exit(t, 30*time.Second)
		var found report
		if err := json.Unmarshal([]byte(p.stdout.String()), &found); err != nil || found.Message == nil {
			t.Errorf("%s%s%s", recipe[1], p.stdout, p.stderr)
			continue
		}
		if m := found.Message; m.Text != recipe[2] || m.Segments != 1 || m.StandardSegments != 1 || len(found.Warnings) != 0 {
			t.Errorf("of\n%scomes %+v, with warnings %q; want\n%s", recipe[1], *m, found.Warnings, recipe[2])
		}
	}
}
