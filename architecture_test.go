package smsverification_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/flowroute/sms-verification"

// allowed says what each package's own files (not its tests) may import of the
// module, and of other modules where that is a rule.
var allowed = map[string][]string{
	"codes":                   {},
	"codes/codestest":         {"codes"},
	"redisstore":              {"codes"},
	"redisstore/embedded":     {},
	"redisstore/redistest":    {"redisstore/embedded"},
	"flowroute":               {"codes"},
	"flowroute/flowroutetest": {"codes"},
	"api":                     {"codes"},
	"api/apitest":             {},
	"api/client":              {},
	"api/tryit":               {},
	"config":                  {"codes"},

	// Commands only: the service is wired in internal/app.
	"cmd/sms-verification": {"api/client", "cmd/sms-verification/internal/app", "cmd/sms-verification/internal/telemetry",
		"cmd/sms-verification/internal/top", "codes", "config", "flowroute/flowroutetest", "redisstore", "redisstore/embedded"},
	"cmd/sms-verification/internal/app": {"api", "api/tryit", "codes", "config", "cmd/sms-verification/internal/telemetry",
		"flowroute", "flowroute/flowroutetest", "redisstore", "redisstore/embedded"},
	"cmd/sms-verification/internal/telemetry": {"codes", "redisstore"},
	"cmd/sms-verification/internal/top":       {},

	"cmd/bench": {"flowroute/flowroutetest"}, // the service itself is a program to it
}

// only says which packages alone may import a dependency.
var only = map[string][]string{
	"github.com/spf13/viper":             {"config"},
	"github.com/redis/go-redis":          {"redisstore", "redisstore/redistest", "cmd/bench"},
	"github.com/alicebob/miniredis":      {"redisstore/embedded"},
	"github.com/labstack/echo":           {"api", "cmd/bench"},
	"github.com/go-json-experiment/json": {"api"},
	"go.opentelemetry.io/":               {"cmd/sms-verification/internal/telemetry"},
	"github.com/prometheus/client_golan": {"api", "cmd/sms-verification/internal/app", "cmd/sms-verification/internal/telemetry"},
	"github.com/prometheus/procfs":       {"cmd/bench"},
	"github.com/chromedp":                {}, // tests alone
	"github.com/nyaruka/phonenumbers":    {}, // tests alone
	"github.com/getkin/kin-openapi":      {"api/apitest"},
	"github.com/prometheus/client_model": {"cmd/sms-verification/internal/top"},
	"github.com/prometheus/common":       {"cmd/sms-verification/internal/top"},
	"golang.org/x/term":                  {"cmd/sms-verification/internal/app", "cmd/sms-verification/internal/top"},
}

// standardOnly may import nothing outside the standard library and the module,
// but for the packages that are named.
var standardOnly = map[string][]string{
	"codes": {"golang.org/x/text/language"}, "api/client": {}, "api/tryit": {}, "flowroute": {}, "flowroute/flowroutetest": {},
}

func TestArchitecture(t *testing.T) {
	seen := map[string]bool{}
	walk(t, ".go", func(path string) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." || strings.HasSuffix(path, "_test.go") {
			return
		}
		seen[dir] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if !mayImport(dir, imported) {
				t.Errorf("%s must not import %s", path, imported)
			}
		}
	})
	for dir := range allowed {
		if !seen[dir] {
			t.Errorf("no package %s: the rules are out of date", dir)
		}
	}
}

func mayImport(dir, imported string) bool {
	if inner, ok := strings.CutPrefix(imported, module+"/"); ok {
		rules, ruled := allowed[dir]
		return !ruled && strings.HasPrefix(dir, "cmd/") || slices.Contains(rules, inner)
	}
	if others, ruled := standardOnly[dir]; ruled && strings.Contains(imported, ".") && !slices.Contains(others, imported) {
		return false
	}
	for dependency, dirs := range only {
		if strings.HasPrefix(imported, dependency) && !slices.Contains(dirs, dir) {
			return false
		}
	}
	return true
}

// TestFileSizes: a longer file holds two ideas.
func TestFileSizes(t *testing.T) {
	for _, extension := range []string{".go", ".lua"} {
		walk(t, extension, func(path string) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if lines := strings.Count(string(content), "\n"); lines > 400 {
				t.Errorf("%s has %d lines", path, lines)
			}
		})
	}
}

// TestPromisesNameTests: a test that a document names as proof, or that is run by its
// name in the image of the tests, is there.
func TestPromisesNameTests(t *testing.T) {
	var sources strings.Builder
	walk(t, ".go", func(path string) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources.WriteString(filepath.ToSlash(path) + "\n")
		sources.Write(content)
	})
	for _, document := range append(documents(t), "deploy/test/image_test.go") {
		content, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz|Run)[A-Z]\\w+)`").FindAllStringSubmatch(string(content), -1) {
			if !strings.Contains(sources.String(), "func "+name[1]+"(") {
				t.Errorf("%s names %s, which is not there", document, name[1])
			}
		}
		for _, name := range regexp.MustCompile("`([a-z/-]+_test\\.go)`").FindAllStringSubmatch(string(content), -1) {
			if !strings.Contains(sources.String(), name[1]+"\n") {
				t.Errorf("%s names %s, which is not there", document, name[1])
			}
		}
	}
}

func walk(t *testing.T, extension string, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == extension {
			visit(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
