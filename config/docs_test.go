package config

import (
	"flag"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/flowroute/sms-verification/codes/codestest"
)

var update = flag.Bool("update", false, "rewrite config.sample.yaml and the settings in README.md")

func TestGenerated(t *testing.T) {
	codestest.Generated(t, "../config.sample.yaml", SampleYAML(), *update)
	codestest.GeneratedPart(t, "../README.md", "settings", Markdown(), *update)
}

// The sample gives the defaults, also in its comments.
func TestSampleGivesTheDefaults(t *testing.T) {
	for _, env := range [][]string{environ(), {"DEBUG_MODE=true", "CODE_SECRET=0123456789abcdef"}} {
		want := mustLoad(t, Source{Environ: env})
		got := mustLoad(t, Source{Environ: env, Dir: dirWith(t, "config.yaml", SampleYAML())})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: the sample changes the settings", env)
		}
	}
	commented := regexp.MustCompile(`(?m)^# ([a-z_]+: [^# \n][^#\n]*)`)
	all := commented.ReplaceAllString(SampleYAML(), "$1")
	all = strings.Replace(all, `flowroute_number: ""`, `flowroute_number: "12065550101"`, 1)
	for _, s := range new(Config).settings() {
		if active := regexp.MustCompile(`(?m)^` + strings.ToLower(s.key) + `:`).MatchString(all); active == s.isSecret() || s.doc == "" {
			t.Errorf("%s: uncommented it is set: %v, is a secret: %v, %q", s.key, active, s.isSecret(), s.doc)
		}
	}
	got := mustLoad(t, Source{Environ: environ()[:2], Dir: dirWith(t, "config.yaml", all)})
	if !reflect.DeepEqual(got, mustLoad(t, Source{Environ: environ()})) {
		t.Error("the defaults in the comments of the sample are wrong")
	}
}
