package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/config"
)

// TestMessageRecipes: each recipe of deploy/messages.md gives the message that it shows,
// in one segment and without a warning.
func TestMessageRecipes(t *testing.T) {
	document, err := os.ReadFile("../../deploy/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```\n\n```text\n(.*?)\n```").FindAllStringSubmatch(string(document), -1)
	if len(recipes) != strings.Count(string(document), "```yaml") || len(recipes) < 3 {
		t.Fatalf("%d recipes with their messages", len(recipes))
	}
	for _, recipe := range recipes {
		cfg, err := config.Load(config.Source{Dir: dirWith(t, "config.yaml", recipe[1]), Environ: slices.Concat(complete(), recommended())})
		if err != nil {
			t.Errorf("%s%v", recipe[1], err)
			continue
		}
		r := newReport(cfg)
		if m := r.Message; m.Text != recipe[2] || m.Segments != 1 || m.StandardSegments != 1 || len(r.Warnings) != 0 {
			t.Errorf("of\n%scomes %+v, with warnings %q; want\n%s", recipe[1], *m, r.Warnings, recipe[2])
		}
	}
}
